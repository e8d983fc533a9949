"""Reading: the right pixels, the right valid mask, one clear line for everything else."""

from __future__ import annotations

import logging
import math
import pickle
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from fakes import FakeReader
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyproj import CRS, Transformer
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.windows import Window

from geounet.errors import GeounetWarning, RasterError
from geounet.raster import open_raster
from geounet.scale import suggest_scale

ODD = Path(__file__).parents[2] / "shared/data/odd"
ODD_FILES = sorted(ODD.glob("*/*.tif"))

REFUSED = {"corrupt.tif": "cannot be read", "sar_hh.tif": "complex pixels"}
"""Odd files that are refused, and why; all others open."""


def whole(reader):
    """Return all pixels of a raster."""
    return reader.read(Window(0, 0, reader.info.width, reader.info.height))


def patch_of(path, **options):
    """Return all pixels of a file."""
    with open_raster(path, **options) as reader:
        return whole(reader)


def noise(shape, dtype="uint8", seed=0):
    """Return pixels from 1 to 250."""
    return np.random.default_rng(seed).integers(1, 250, shape).astype(dtype)


def info_of(crs, transform, shape=(100, 100)):
    """Return the info of a raster at a place."""
    return FakeReader(np.zeros((1, *shape), "uint8"), None, transform, crs).info


@given(st.integers(1, 70), st.integers(1, 90), st.data())
@settings(max_examples=25, deadline=None)
def test_a_window_is_the_slice_of_the_file(tmp_path_factory, height, width, data):
    """A window has the pixels of the array that was written, at that place."""
    array = noise((3, height, width))
    path = tmp_path_factory.mktemp("raster") / "a.tif"
    settings_ = {"transform": Affine(1, 0.2, 9, 0.1, -1, 9), "crs": "EPSG:32633", "dtype": "uint8"}
    with rasterio.open(path, "w", height=height, width=width, count=3, **settings_) as target:
        target.write(array)
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = Window(
        col, row, data.draw(st.integers(1, width - col)), data.draw(st.integers(1, height - row))
    )
    with open_raster(path) as reader:
        patch = reader.read(window)
    np.testing.assert_array_equal(patch.data, array[:, *window.toslices()])
    assert patch.valid.all()
    assert patch.window == window


@pytest.mark.parametrize("window", [(-1, 0, 2, 2), (0, 0, 11, 2), (0, 9, 2, 2), (0, 0, 0, 2)])
def test_a_window_outside_is_our_own_mistake(make_raster, window):
    """A window that leaves the raster, or is empty, is an assertion, never padding."""
    with open_raster(make_raster(noise((10, 10)))) as reader, pytest.raises(AssertionError):
        reader.read(Window(*window))


def test_bands_are_read_as_asked(make_raster):
    """Bands come in the order asked for, also twice; a band that is not there is refused."""
    array = noise((4, 5, 6))
    path = make_raster(array, photometric="MINISBLACK")
    for bands in ((3, 1), (2, 2, 2), (4,)):
        np.testing.assert_array_equal(
            patch_of(path, bands=bands).data, array[[band - 1 for band in bands]]
        )
    for band in (0, 5, -1):
        with pytest.raises(RasterError, match=rf"no band {band} \(it has bands 1 to 4\)"):
            open_raster(path, bands=[band])


def rgba(make_raster, alpha, **kwargs):
    """Write three bands of noise and an alpha band."""
    array = np.concatenate((noise((3, *alpha.shape)), alpha[None]))
    path = make_raster(array, photometric="RGB", alpha="YES", **kwargs)
    return path, array


def test_alpha_is_a_mask_not_a_band(make_raster):
    """Alpha 0 is invalid, any other alpha valid, and the band is not counted."""
    alpha = np.array([[0, 1, 128, 255]] * 3, "uint8")
    path, array = rgba(make_raster, alpha)
    with open_raster(path) as reader:
        assert (reader.info.count, reader.bands) == (3, (1, 2, 3))
        patch = whole(reader)
    np.testing.assert_array_equal(patch.data, array[:3])
    np.testing.assert_array_equal(patch.valid, alpha > 0)
    np.testing.assert_array_equal(patch_of(path, bands=(2,)).valid, alpha > 0)


def test_an_alpha_band_that_is_named_is_data(make_raster):
    """A fourth band wrongly marked as alpha is data when it is asked for."""
    path, array = rgba(make_raster, np.array([[0, 7]], "uint8"))
    patch = patch_of(path, bands=(1, 2, 3, 4))
    np.testing.assert_array_equal(patch.data, array)
    assert patch.valid.all()


@pytest.mark.parametrize("bands", [None, (1, 2, 3)])
def test_an_alpha_band_of_another_name_masks_nothing(make_raster, bands):
    """Near infrared that GDAL alone calls alpha is 0 on water, also when only others are read."""
    path, _ = rgba(make_raster, np.array([[0, 7]], "uint8"))
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("red", "green", "blue", "nir")
    assert patch_of(path, bands=bands).valid.all()


def test_dark_pixels_are_no_nodata(make_raster):
    """With nodata 0, a pixel is invalid only when all of its bands are 0."""
    array = np.array([[[0, 0, 5]], [[0, 3, 5]], [[0, 0, 5]]], "uint8")
    path = make_raster(array, nodata=0)
    assert patch_of(path).valid.tolist() == [[False, True, True]]
    assert patch_of(path, bands=(1,)).valid.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("float32", math.nan), ("float32", -9999), ("float64", -3.4e38), ("int16", -32768),
     ("uint16", 65535), ("float32", -3.4028234663852886e38)],
)  # fmt: skip
def test_every_marker_is_known_in_every_dtype(make_raster, dtype, nodata):
    """Pixels that hold the marker are invalid, all others are valid."""
    array = noise((1, 6, 7), dtype)
    array[0, 2:4, 3] = nodata
    valid = patch_of(make_raster(array, nodata=nodata)).valid
    expected = np.ones((6, 7), bool)
    expected[2:4, 3] = False
    np.testing.assert_array_equal(valid, expected)


def test_not_finite_is_invalid(make_raster):
    """NaN or infinity in any band makes a pixel invalid, without any marker."""
    array = noise((2, 3, 3), "float32")
    array[0, 0, 0], array[1, 1, 1], array[1, 2, 2] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(patch_of(make_raster(array)).valid, ~np.eye(3, dtype=bool))


@pytest.mark.parametrize("internal", ["YES", "NO"])
@pytest.mark.parametrize("nodata", [None, 7])
def test_a_stored_mask_counts(make_raster, internal, nodata):
    """A mask inside the file or beside it is honoured, together with a marker."""
    array = np.full((3, 8, 8), 100, "uint8")
    array[:, 6] = 7
    path = make_raster(array, nodata=nodata)
    mask = np.ones((8, 8), bool)
    mask[:2] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as target:
        target.write_mask(mask)
    mask[6] &= nodata is None
    np.testing.assert_array_equal(patch_of(path).valid, mask)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_pixels_are_refused(make_raster, dtype):
    """Complex numbers are refused, never cut to their real part."""
    with pytest.raises(RasterError, match="complex pixels"):
        open_raster(make_raster(noise((4, 4), dtype)))


def test_transparent_colours_stay_so_by_the_cure(tmp_path):
    """A table with a colour that shows what lies below is expanded with its alpha."""
    picture = Image.fromarray(noise((4, 4)) % 2).convert("P")
    picture.putpalette([0, 0, 0, 9, 9, 9])
    picture.save(tmp_path / "glass.png", transparency=bytes([0, 255]))
    with pytest.raises(RasterError, match=r"-expand rgba .* rgba.tif"):
        open_raster(tmp_path / "glass.png")


def test_of_several_images_the_first_is_read_and_it_is_said(tmp_path):
    """The other pages of a TIFF are no bands; one line tells how to get at them."""
    pages = [Image.fromarray(np.full((5, size), size, np.uint8)) for size in (6, 7)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.warns(GeounetWarning, match="holds 2 images, the first is read"):
        assert (patch_of(tmp_path / "pages.tif").data == 6).all()


def test_a_colour_table_is_refused_with_its_cure(make_raster):
    """Indices are no colours; the message has the line to run, `indexed` reads them anyway."""
    path = make_raster(np.array([[0, 1]], "uint8"))
    with rasterio.open(path, "r+") as target:
        target.write_colormap(1, {0: (1, 2, 3, 255), 1: (9, 9, 9, 255)})
        target.colorinterp = [ColorInterp.palette]
    with pytest.raises(RasterError, match=f"gdal_translate -expand rgb {path}"):
        open_raster(path)
    assert patch_of(path, indexed=True).data.tolist() == [[[0, 1]]]


def test_control_points_and_camera_models_are_refused(make_raster):
    """A raster placed only by GCPs or RPCs is refused with the gdalwarp line."""
    points = [
        GroundControlPoint(row=row, col=col, x=10 + col / 100, y=50 - row / 100)
        for row, col in ((0, 0), (0, 4), (4, 0), (4, 4))
    ]
    path = make_raster(noise((4, 4)), transform=None, crs="EPSG:4326", name="gcp.tif", gcps=points)
    with pytest.raises(RasterError, match=r"\(4, expected.*gdalwarp -r bilinear "):
        open_raster(path)
    model = RPC(0, 0, 1, 1, [1.0] * 20, [1.0] * 20, 0, 1, 0, 1, [1.0] * 20, [1.0] * 20, 0, 1)
    path = make_raster(noise((4, 4)), transform=None, crs=None, name="rpc.tif", rpcs=model)
    with pytest.raises(RasterError, match=r"camera model.*gdalwarp -rpc"):
        open_raster(path)


def test_no_crs_is_none(make_raster):
    """A raster without a CRS opens, without a warning, and has no metres."""
    with open_raster(make_raster(noise((4, 4)), crs=None, transform=None)) as reader:
        assert reader.info.crs is None
        assert reader.info.gsd is None
        assert reader.info.gsd_xy is None
        assert reader.info.transform.is_identity
        assert reader.info.bounds == (0, 0, 4, 4)


@pytest.mark.parametrize("suffix", ["wld", "pgw", "PGW"])
def test_a_world_file_places_a_picture(make_raster, tmp_path, suffix):
    """A world file beside a PNG gives the transform."""
    path = make_raster(noise((3, 4, 4)), transform=None, crs=None, name="a.png", driver="PNG")
    (tmp_path / f"a.{suffix}").write_text("0.5\n0\n0\n-0.5\n100.25\n199.75\n")
    with open_raster(path) as reader:
        assert reader.info.transform == Affine(0.5, 0, 100, 0, -0.5, 200)


@pytest.mark.parametrize(
    ("code", "x", "y"),
    [(32633, 5e5, 5e6), (3857, 1e6, 8e6), (2056, 2.6e6, 1.2e6), (2229, 6.5e6, 1.8e6)],
)
@pytest.mark.parametrize("turn", [0, 20, 90])
def test_gsd_is_measured_on_the_ground(code, x, y, turn):
    """In any CRS and turn, a step of one pixel is its geodesic length."""
    crs = CRS.from_epsg(code)
    transform = Affine.translation(x, y) @ Affine.rotation(turn) @ Affine.scale(0.3, -0.6)
    info = info_of(crs, transform)
    to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    for at, (col, row) in enumerate(((1000, 0), (0, 1000))):
        xs, ys = zip(*(transform @ (50 + col * k, 50 + row * k) for k in (-0.5, 0.5)), strict=True)
        lon, lat = to_degrees.transform(xs, ys)
        expected = crs.get_geod().inv(lon[0], lat[0], lon[1], lat[1])[2] / 1000
        assert info.gsd_xy[at] == pytest.approx(expected, rel=1e-4)
    assert info.gsd == pytest.approx(math.sqrt(math.prod(info.gsd_xy)), rel=1e-5)


@pytest.mark.parametrize("lat", [0, 45, 80])
def test_gsd_in_degrees(lat):
    """In degrees a column shrinks with the latitude, a row does not."""
    info = info_of(CRS.from_epsg(4326), Affine(1e-6, 0, 10, 0, -1e-6, lat))
    across, down = info.gsd_xy
    assert across == pytest.approx(0.11132 * math.cos(math.radians(lat)), rel=4e-3)
    assert down == pytest.approx(0.111, rel=1e-2)


def test_bounds_hold_a_turned_raster():
    """The bounds are those of all four corners."""
    info = info_of(None, Affine.rotation(90), (10, 20))
    assert info.bounds == pytest.approx((-10, 0, 0, 20))


@pytest.mark.parametrize(
    ("driver", "suffix", "options"),
    [
        ("GTiff", "tif", {"compress": "deflate"}),
        ("GTiff", "tif", {"tiled": True, "blockxsize": 64, "blockysize": 64}),
        ("GTiff", "tif", {"compress": "lzw", "bigtiff": "YES"}),
        ("PNG", "png", {}),
        ("JPEG", "jpg", {}),
        ("WEBP", "webp", {}),
        ("JP2OpenJPEG", "jp2", {}),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.9, 0.995])
def test_a_truncated_file_is_an_error(make_raster, driver, suffix, options, share):
    """Half a file is refused in one line that names it, never read as black."""
    path = make_raster(noise((3, 200, 220)), name=f"a.{suffix}", driver=driver, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RasterError, match=f"^{path}: ") as caught:
        patch_of(path)
    assert "\n" not in str(caught.value)


def test_threads_have_handles_of_their_own(make_raster):
    """Many threads read the right pixels from one reader, and close lets go of all handles."""
    array = noise((3, 256, 256))
    path = make_raster(array, compress="deflate", tiled=True, blockxsize=32, blockysize=32)
    with open_raster(path) as reader, ThreadPoolExecutor(6) as pool:
        windows = [Window(7 * k % 200, 11 * k % 200, 50, 40) for k in range(120)]
        for window, patch in zip(windows, pool.map(reader.read, windows), strict=True):
            np.testing.assert_array_equal(patch.data, array[:, *window.toslices()])
        handles = list(reader._handles)
        assert 1 <= len(handles) <= 6
    assert all(handle.closed for handle in handles)


def test_a_reader_travels_to_another_process(make_raster):
    """A pickled reader opens its file anew."""
    array = noise((3, 5, 5))
    with open_raster(make_raster(array), bands=(2,)) as reader:
        whole(reader)
        with pickle.loads(pickle.dumps(reader)) as twin:  # noqa: S301 - our own bytes
            np.testing.assert_array_equal(whole(twin).data, array[1:2])
            assert twin.info == reader.info


def test_scale_is_that_of_valid_pixels(make_raster):
    """The suggested scale is the 2nd to 98th percentile of what is valid."""
    array = np.tile(np.arange(1000, 2000, dtype="uint16"), (1, 700, 1))
    array[:, :350] = 0
    with open_raster(make_raster(array, nodata=0)) as reader:
        low, high = suggest_scale(reader)
    assert low == pytest.approx(1020, abs=12)
    assert high == pytest.approx(1980, abs=12)


def test_scale_without_pixels_is_refused(make_raster):
    """A raster of nodata has no scale; a constant one has some."""
    path = make_raster(np.zeros((9, 9), "uint8"), nodata=0)
    with open_raster(path) as reader, pytest.raises(RasterError, match="no valid pixel"):
        suggest_scale(reader)
    assert suggest_scale(FakeReader(np.full((1, 9, 9), 5))) == (5, 6)


@pytest.mark.skipif(not ODD_FILES, reason="the odd files are not here")
@pytest.mark.parametrize("path", ODD_FILES, ids=lambda path: path.name)
def test_odd_files_open_or_say_why_not(path, tmp_path, caplog):
    """Each real odd file reads as rasterio reads it, or fails with one line; none is touched."""
    caplog.set_level(logging.ERROR)
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, tmp_path)
    copy, before = tmp_path / path.name, sorted(tmp_path.iterdir())
    if path.name in REFUSED:
        with pytest.raises(RasterError, match=f"^{copy}: .*{REFUSED[path.name]}") as caught:
            patch_of(copy)
        assert "\n" not in str(caught.value)
        return
    with open_raster(copy) as reader, warnings.catch_warnings():
        patch = whole(reader)
        warnings.simplefilter("ignore")
        with rasterio.open(path) as oracle:
            np.testing.assert_array_equal(patch.data, oracle.read(list(reader.bands)))
            np.testing.assert_array_equal(patch.valid, oracle.dataset_mask() > 0)
            assert reader.info.transform == oracle.transform
            assert (reader.info.crs is None) == (oracle.crs is None)
            assert (reader.info.gsd is None) == (oracle.crs is None)
    assert sorted(tmp_path.iterdir()) == before
