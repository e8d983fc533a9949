"""Rasters that are odd, damaged, or no rasters at all."""

from __future__ import annotations

import struct

import numpy as np
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC

from torture.case import OK, PARTLY, WARNING, Case, predict
from torture.makers import (
    CRS,
    UTM,
    both,
    bytes_of,
    copied,
    fifo,
    linked,
    nothing,
    raster,
    somebodys,
    sparse,
    spoilt,
    write,
)  # fmt: skip

INTEGERS = ("int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
FLOATS = ("float32", "float64")
COMPLEX = ("complex64", "complex128", "complex_int16")
CODECS = {
    "plain": {},
    "LZW": {"compress": "lzw"},
    "DEFLATE": {"compress": "deflate", "predictor": 2},
    "ZSTD": {"compress": "zstd"},
    "PACKBITS": {"compress": "packbits"},
    "JPEG": {"compress": "jpeg", "photometric": "ycbcr"},
    "WEBP": {"compress": "webp", "webp_lossless": True},
    "LERC": {"compress": "lerc"},
}
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16, "shape": (96, 80)}
CUTS = {
    "in its head": lambda data: data[:5],
    "after its head": lambda data: data[:60],
    "in the middle": lambda data: data[: len(data) // 2],
    "near its end": lambda data: data[:-100],
}


def noise(array):
    """Pixels that do not compress."""
    return np.random.default_rng(1).integers(0, 255, array.shape).astype(array.dtype)


def dtypes():
    """Every type of pixels: refused with a scale, and taken with one."""
    for dtype in (*INTEGERS, *FLOATS):
        make = raster(dtype=dtype)
        yield Case(dtype, make, r"pixels are \w+, model bright expects uint8; .*--scale \S+,\S+$")
        scaled = predict("--scale", "0,1" if dtype == "int8" else "0,255")
        yield Case(f"{dtype} with a scale", make, verdict=OK, words=scaled)
    for dtype in COMPLEX:
        make = raster(dtype="complex64" if dtype == "complex_int16" else dtype)
        if dtype == "complex_int16":
            make = raster(change=lambda a: a.astype("complex64"), dtype="uint8")
        yield Case(dtype, make, "has complex pixels")
    yield Case("one bit", raster(bands=1, nbits=1, change=lambda a: (a > 99).astype("uint8")),
               "has a colour table")  # fmt: skip
    yield Case("twelve bits", raster(dtype="uint16", nbits=12), "pixels are uint16")


def spoil_floats(value):
    """Put a value into some pixels."""

    def change(array):
        array[:, 5:9, 5:9] = value
        return array

    return change


def floats():
    """Numbers that are none."""
    scaled = predict("--scale", "0,255")
    for value in (np.nan, np.inf, -np.inf, 3e38):
        make = raster(dtype="float32", change=spoil_floats(value))
        yield Case(f"{value} in places", make, verdict=OK, words=scaled)
    nothing_there = raster(dtype="float32", change=lambda a: np.full_like(a, np.nan))
    yield Case("NaN alone", nothing_there, verdict=OK, words=scaled)
    yield Case("NaN alone, no scale", nothing_there, "no valid pixel found")
    for value in (np.nan, np.inf, -np.inf, -9999.0, 1e38):
        make = raster(dtype="float32", nodata=value, change=spoil_floats(value))
        yield Case(f"nodata {value}", make, verdict=OK, words=scaled)
    yield Case("nodata is everywhere", raster(change=lambda a: a * 0, nodata=0), verdict=OK)


def shapes():
    """Sizes nobody thought of."""
    for shape in ((1, 1), (1, 50), (50, 1), (2, 2), (97, 61), (1, 3000), (3000, 1)):
        yield Case(f"{shape[0]} x {shape[1]}", raster(shape=shape), verdict=OK)
    yield Case("sparse", sparse(3000, 3000), verdict=OK)
    near = predict("--bbox", "500000,4999000,500030,4999030")
    yield Case("large and sparse, a box of it", sparse(20_000, 20_000), verdict=OK, words=near)
    yield Case("strips of the whole", raster(shape=(300, 40), blockysize=300), verdict=OK)


def bands():
    """Bands that are too few, too many, or mean something else."""
    for count in (1, 2, 5, 8):
        noun = "band" if count == 1 else "bands"
        yield Case(f"{count} bands", raster(bands=count, photometric="MINISBLACK", alpha="NO"),
                   f"has {count} {noun}, model bright expects 3")  # fmt: skip
    grey = {"photometric": "MINISBLACK", "alpha": "NO"}
    yield Case("4 bands, none of them named", raster(bands=4, **grey), "has 4 bands")
    yield Case("300 bands", raster(bands=300, shape=(2, 2), **grey), "has 300 bands")
    yield Case("bands called otherwise", raster(after=lambda t: described(t, "blue", "red", "nir")),
               "calls its bands blue, red, nir.*--bands 1,2,3")  # fmt: skip
    yield Case("alpha is 0", raster(bands=4, photometric="RGB", alpha="YES",
               change=lambda a: np.concatenate([a[:3], a[3:] * 0])), verdict=OK)  # fmt: skip
    yield Case("a colour table", raster(bands=1, photometric="PALETTE", after=coloured),
               "has a colour table .*gdal_translate -expand rgb")  # fmt: skip
    yield Case("grey and alpha", raster(bands=2, photometric="MINISBLACK", alpha="YES"),
               "has 1 band, model bright expects 3")  # fmt: skip


def described(target, *words):
    """Call the bands something."""
    for band, word in enumerate(words, 1):
        target.set_band_description(band, word)


def coloured(target):
    """Give the first band a colour table."""
    target.write_colormap(1, {0: (0, 0, 0, 255), 220: (255, 0, 0, 255)})
    target.colorinterp = [ColorInterp.palette]


def masks():
    """Masks inside and beside, right and wrong."""
    hidden = np.zeros((40, 50), np.uint8)
    yield Case("a mask inside", raster(after=lambda t: t.write_mask(hidden)), verdict=OK)
    outside = both(raster(), lambda f: write(f / "a.tif.msk", hidden[None], after=flagged))
    yield Case("a mask beside", outside, verdict=OK)
    for suffix in (".msk", ".ovr"):
        for what, content in (("a page", "<html>"), ("nothing", "")):
            make = both(raster(), bytes_of(content, f"a.tif{suffix}"))
            yield Case(f"{suffix} holds {what}", make, f"a.tif{suffix}: is (not a raster|empty)")
    cut = both(raster(), bytes_of(b"II*\0\x08\0\0\0", "a.tif.msk"))
    yield Case(".msk cut", cut, "a.tif|msk", words=predict("--on-error", "fail"))
    yield Case(
        "auxiliary XML broken", both(raster(), bytes_of("<PAM", "a.tif.aux.xml")), verdict=OK
    )
    elsewhere = "<PAMDataset><Metadata domain='OVERVIEWS'><MDI key='OVERVIEW_FILE'>/vsicurl/{url}</MDI></Metadata></PAMDataset>"
    yield Case("auxiliary XML names a file", both(raster(), bytes_of(elsewhere, "a.tif.aux.xml")),
               "names another file")  # fmt: skip


def flagged(target):
    """Say that a mask is of all bands."""
    target.update_tags(INTERNAL_MASK_FLAGS_1="2", INTERNAL_MASK_FLAGS_2="2")


def damage():
    """Files cut or spoilt, by every codec."""
    for codec, profile in CODECS.items():
        for where, cut in CUTS.items():
            make = spoilt(cut, change=noise, **profile, **TILED)
            yield Case(f"{codec} cut {where}", make, r"a\.tif: .*(damaged|truncated|not a raster)")
    hurt = spoilt(overwritten, change=noise, compress="lzw", **TILED)
    yield Case("a block of LZW overwritten", hurt, "cannot be read .*rows")
    yield Case("the same, left out", hurt, "could not be read and were left out", PARTLY,
               predict("--on-error", "skip"))  # fmt: skip
    for driver, name in (("PNG", "a.png"), ("JPEG", "a.jpg"), ("WEBP", "a.webp"),
                         ("JP2OpenJPEG", "a.jp2"), ("HFA", "a.img")):  # fmt: skip
        suffix = name.partition(".")[2]
        placed = driver in ("JP2OpenJPEG", "HFA")
        yield Case(f"{suffix} whole", copied(driver, name), "has no CRS", OK if placed else WARNING,
                   predict(of=name))  # fmt: skip
        if driver != "JP2OpenJPEG":
            verdict = OK if placed else WARNING
            yield Case(f"{suffix} named .tif", copied(driver), "has no CRS", verdict)
        cut = copied(driver, name, lambda data: data[: len(data) * 2 // 3])
        yield Case(f"{suffix} cut", cut, "", words=predict(of=name))


def overwritten(data):
    """Bytes with a hole of 0xff in their middle."""
    middle = len(data) // 2
    return data[:middle] + b"\xff" * 400 + data[middle + 400 :]


def directory(entries, following=0):
    """A TIFF of one directory of `(tag, kind, count, value)`."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return head + packed + struct.pack("<I", following) + bytes(64)


def plain_entries(wide=40, high=30, **changes):
    """The tags of a small grey image."""
    tags = {"width": (256, 4, 1, wide), "height": (257, 4, 1, high), "bits": (258, 3, 1, 8),
            "codec": (259, 3, 1, 1), "photometric": (262, 3, 1, 1), "offset": (273, 4, 1, 200),
            "samples": (277, 3, 1, 1), "rows": (278, 4, 1, high),
            "size": (279, 4, 1, min(wide * high, 2**31))}  # fmt: skip
    return [entry for entry in (tags | changes).values() if entry]


def many_directories(count):
    """A TIFF of so many directories in a chain."""
    size = 2 + 12 * 9 + 4
    one = [struct.pack("<HHII", *entry) for entry in plain_entries(1, 1)]
    body = b"".join(one)
    parts = [struct.pack("<2sHI", b"II", 42, 8)]
    for number in range(count):
        following = 8 + (number + 1) * size if number + 1 < count else 0
        parts.append(struct.pack("<H", 9) + body + struct.pack("<I", following))
    return b"".join(parts) + bytes(300)


def structure():
    """TIFFs whose structure lies."""
    read = "a.tif"
    yield Case(
        "a directory that follows itself",
        bytes_of(directory(plain_entries(), 8)),
        "more than 4,096",
    )
    yield Case("blocks beyond the end", bytes_of(directory(plain_entries(offset=(273, 4, 1, 2**31)))),
               read)  # fmt: skip
    yield Case("2^31 columns", bytes_of(directory(plain_entries(2**31))), read)
    yield Case("2^31 - 1 each way", bytes_of(directory(plain_entries(2**31 - 1, 2**31 - 1))), read)
    yield Case("no width", bytes_of(directory(plain_entries(0, 0))), read)
    yield Case("a width that is missing", bytes_of(directory(plain_entries(width=None))), read)
    yield Case("2^32 - 1 blocks", bytes_of(directory(plain_entries(offset=(273, 4, 2**32 - 1, 8)))),
               read)  # fmt: skip
    yield Case(
        "an unknown codec", bytes_of(directory(plain_entries(codec=(259, 3, 1, 60000)))), read
    )
    yield Case("a directory beyond the end", bytes_of(struct.pack("<2sHI", b"II", 42, 2**31)), read)
    yield Case(
        "a big TIFF without more", bytes_of(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**62)), read
    )
    for count in (5_000, 1_000_000):
        yield Case(f"{count:,} directories", bytes_of(many_directories(count)), "more than 4,096")
    yield Case("seven bits", bytes_of(directory(plain_entries(bits=(258, 3, 1, 7)))), read)


def opened_to_all(folder):
    """Everybody may write there."""
    folder.chmod(0o777)


def strangers():
    """Files that are no rasters that are read here."""
    for what, content in {
        "zero bytes": b"", "a page": b"<!DOCTYPE html><title>404</title>", "text": b"hello",
        "GIF": b"GIF89a" + bytes(90), "BMP": b"BM" + bytes(90), "PDF": b"%PDF-1.7\n" + bytes(90),
        "zip": b"PK\x03\x04" + bytes(90), "gzip": b"\x1f\x8b" + bytes(90),
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(90), "NetCDF": b"CDF\x01" + bytes(90),
        "SQLite": b"SQLite format 3\0" + bytes(90), "AppleDouble": b"\0\x05\x16\x07" + bytes(90),
        "a pickle": b"\x80\x04\x95" + bytes(90), "a script": b"#!/bin/sh\ntouch marker\n",
        "zeros": bytes(4096), "a LFS pointer": b"version https://git-lfs.github.com/spec/v1\n",
    }.items():  # fmt: skip
        words = "is empty" if not content else "not a raster format that is read here"
        yield Case(what, bytes_of(content), words)
    yield Case("nothing", nothing, "no such file or directory; check the path")
    yield Case("an empty folder", lambda f: (f / "a.tif").mkdir(), "no raster there")
    yield Case("a pipe", fifo, "is a pipe or device")
    yield Case("a link to nothing", linked("gone.tif"), "no such file")
    yield Case("a link to itself", linked("a.tif"), "(too many levels|loop)")
    yield Case(
        "a loop of links", both(linked("b.tif"), linked("a.tif", "b.tif")), "too many levels"
    )
    yield Case("a folder that holds itself", linked(".", "sub"), "no raster there",
               words=predict(of="sub"))  # fmt: skip
    for device in ("null", "zero", "full"):
        yield Case(f"/dev/{device}", linked(f"/dev/{device}"), "is a pipe or device")
    yield Case(
        "no leave to read",
        somebodys(raster()),
        "permission denied",
        needs_root=True,
        before=opened_to_all,
    )
    yield Case("a folder without leave", somebodys(lambda f: (f / "a.tif").mkdir()),
               "permission denied|no raster there", needs_root=True, before=opened_to_all)  # fmt: skip
    yield Case("a name of 5,000 letters", nothing, "name too long",
               words=("predict", "{in}/" + "a" * 5000 + ".tif", "-o", "{out}/o.gpkg"))  # fmt: skip


def places():
    """Where a raster says it lies."""
    turned = UTM @ Affine.rotation(33)
    for what, transform, crs in (
        ("rotated", turned, CRS),
        ("sheared", UTM @ Affine.shear(20, 0), CRS),
        ("south up", Affine(0.3, 0, 5e5, 0, 0.3, 5e6), CRS),
        ("mirrored", Affine(-0.3, 0, 5e5, 0, -0.3, 5e6), CRS),
        ("transposed", Affine(0, 0.3, 5e5, -0.3, 0, 5e6), CRS),
        ("pixels not square", Affine(0.2, 0, 5e5, 0, -0.5, 5e6), CRS),
        ("degrees", Affine(3e-6, 0, 15, 0, -3e-6, 48), "EPSG:4326"),
        ("across the antimeridian", Affine(3e-6, 0, 179.99995, 0, -3e-6, 48), "EPSG:4326"),
        ("across it in metres", Affine(0.3, 0, 2e7 + 37508.3, 0, -0.3, 5e6), "EPSG:3857"),
        ("feet", Affine(1, 0, 2e6, 0, -1, 7e5), "EPSG:2263"),
        ("three axes", UTM, "EPSG:32633+5773"),
    ):
        yield Case(what, raster(transform=transform, crs=crs), verdict=OK)
    gcps = [GroundControlPoint(0, 0, 15, 48), GroundControlPoint(40, 0, 15, 47.9),
            GroundControlPoint(0, 50, 15.1, 48)]  # fmt: skip
    yield Case("no CRS", raster(crs=None), "has no CRS", WARNING)
    yield Case("no CRS, no place", raster(crs=None, transform=None), "has no CRS", WARNING)
    yield Case("a CRS, no place", raster(transform=None), "has no CRS", WARNING)
    yield Case("GCPs alone", raster(transform=None, crs=None, after=lambda t: setattr(t, "gcps", (gcps, "EPSG:4326"))),
               "has only ground control points .*gdalwarp")  # fmt: skip
    rpc = RPC(height_off=0, height_scale=1, lat_off=48, lat_scale=1, line_den_coeff=[1] + [0] * 19,
              line_num_coeff=[0, 1] + [0] * 18, line_off=0, line_scale=1, long_off=15, long_scale=1,
              samp_den_coeff=[1] + [0] * 19, samp_num_coeff=[0, 0, 1] + [0] * 17, samp_off=0,
              samp_scale=1)  # fmt: skip
    yield Case("RPCs alone", raster(transform=None, crs=None, after=lambda t: setattr(t, "rpcs", rpc)),
               "has only an RPC camera model .*gdalwarp -rpc")  # fmt: skip
    for what, numbers in (
        ("zeros", (0, 0, 0, 0, 0, 0)), ("no height", (0.3, 0, 5e5, 0, 0, 5e6)),
        ("NaN", (np.nan, 0, 5e5, 0, -0.3, 5e6)), ("infinite", (np.inf, 0, 5e5, 0, -0.3, 5e6)),
        ("an origin of NaN", (0.3, 0, np.nan, 0, -0.3, 5e6)),
    ):  # fmt: skip
        yield Case(f"transform of {what}", vrt_at(numbers), "geotransform without area|no CRS|cannot",
                   words=predict(of="a.vrt"))  # fmt: skip
    for what, numbers in (("1e300", (1e300, 0, 0, 0, -1e300, 0)), ("1e-300", (1e-300, 0, 5e5, 0, -1e-300, 5e6)),
                          ("kilometres", (5e4, 0, 5e5, 0, -5e4, 5e6)),
                          ("far beyond the CRS", (0.3, 0, 1e12, 0, -0.3, 1e12))):  # fmt: skip
        yield Case(f"transform of {what}", vrt_at(numbers), "", words=predict(of="a.vrt"))
    yield Case("a geocentric CRS", raster(crs="EPSG:4978"), "has a geocentric CRS .*-a_srs")
    site = raster(crs='LOCAL_CS["site",UNIT["metre",1]]')
    yield Case("the CRS of a building site", site, "has no CRS", WARNING)


def vrt_at(numbers):
    """A maker of a VRT with a geotransform that no GeoTIFF can be given."""
    a, b, c, d, e, f = numbers
    text = (
        f'<VRTDataset rasterXSize="50" rasterYSize="40"><SRS>EPSG:32633</SRS>'
        f"<GeoTransform>{c}, {a}, {b}, {f}, {d}, {e}</GeoTransform>"
        + "".join(
            f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource>'
            f'<SourceFilename relativeToVRT="1">b.tif</SourceFilename><SourceBand>{band}</SourceBand>'
            "</SimpleSource></VRTRasterBand>"
            for band in (1, 2, 3)
        )
        + "</VRTDataset>"
    )
    return both(raster("b.tif"), bytes_of(text, "a.vrt"))


def links():
    """Tags that lead elsewhere."""

    def named(folder):
        raster()(folder)
        with rasterio.open(folder / "a.tif", "r+") as target:
            target.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="/vsicurl/http://127.0.0.1:9/a.tif")

    yield Case("a tag that names overviews", named, "names another file for its overviews")


CASES = [
    *dtypes(), *floats(), *shapes(), *bands(), *masks(), *damage(), *structure(), *strangers(),
    *places(), *links(),
]  # fmt: skip
