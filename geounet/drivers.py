"""Decide by a file's content which GDAL driver may open it; opens nothing with GDAL itself."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.parsers import expat

from geounet.errors import RasterError

if TYPE_CHECKING:
    from collections.abc import Callable

MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"II*\x00", "GTiff"),
    (b"MM\x00*", "GTiff"),
    (b"II+\x00", "GTiff"),
    (b"MM\x00+", "GTiff"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
    (b"EHFA_HEADER_TAG", "HFA"),
)
"""First bytes of a file → the one driver that may open it; WebP is told by two places."""

KNOWN = "GeoTIFF, COG, PNG, JPEG, WebP, JPEG 2000, Erdas HFA"
"""The formats, in words."""

URL_DRIVERS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".jp2": "JP2OpenJPEG",
    ".img": "HFA",
    ".vrt": "VRT",
}
"""Suffix of a URL → driver; everything else must be a GeoTIFF."""

VRT_ELEMENTS = frozenset(
    {
        "VRTDataset",
        "SRS",
        "GeoTransform",
        "Metadata",
        "MDI",
        "VRTRasterBand",
        "ColorInterp",
        "NoDataValue",
        "NODATA",
        "Description",
        "Scale",
        "Offset",
        "UnitType",
        "SimpleSource",
        "ComplexSource",
        "AveragedSource",
        "SourceFilename",
        "SourceBand",
        "SourceProperties",
        "SrcRect",
        "DstRect",
        "ScaleOffset",
        "ScaleRatio",
        "UseMaskBand",
        "MaskBand",
        "HideNoDataValue",
        "OverviewList",
        "BlockXSize",
        "BlockYSize",
        "Histograms",
        "ColorTable",
        "Entry",
        "CategoryNames",
        "Category",
    }
)
"""What a plain mosaic is made of; none of these can run code or read raw bytes."""

VRT_ATTRIBUTES = frozenset(
    {
        "rasterXSize",
        "rasterYSize",
        "dataType",
        "band",
        "blockXSize",
        "blockYSize",
        "dataAxisToSRSAxisMapping",
        "coordinateEpoch",
        "relativeToVRT",
        "shared",
        "RasterXSize",
        "RasterYSize",
        "DataType",
        "BlockXSize",
        "BlockYSize",
        "xOff",
        "yOff",
        "xSize",
        "ySize",
        "resampling",
        "key",
        "c1",
        "c2",
        "c3",
        "c4",
    }
)
"""The attributes of a plain mosaic; GDAL reads elements and attributes alike, so both count."""

LARGEST_VRT = 64 * 2**20
_HEAD = 512


@dataclass(frozen=True)
class Source:
    """What to hand to GDAL."""

    name: str
    """File name, or `/vsicurl/`, `/vsis3/` name."""
    driver: str
    """The one driver that may open it."""
    remote: bool = False
    """True = reached by the network, at a URL the user typed."""


def find_source(path: str | Path, *, allow_vrt: bool = False) -> Source:
    """Return what GDAL may open for a path or URL, and with which driver.

    Args:
        path: a file, or an `https://` or `s3://` URL.
        allow_vrt: also open a VRT with sources elsewhere, derived bands or warping.

    Raises:
        RasterError: no regular file, or not of a known format.
    """
    text = os.fspath(path)
    if "://" in text and isinstance(path, str):
        return _remote(text, allow_vrt=allow_vrt)
    file = Path(text)
    if text.startswith("/vsi") and not file.exists():
        raise RasterError(f"{text}: GDAL's virtual paths are not opened; give a file or a URL")
    head = _head(file)
    if _is_markup(head):
        _check_vrt(file, head, allow_vrt=allow_vrt)
        return Source(str(file.absolute()), "VRT")
    driver = driver_of(head)
    if driver is None:
        raise RasterError(
            f"{file}: not a raster format that is read here "
            f"(starts with {head[:12]!r}, expected {KNOWN}); convert it with gdal_translate"
        )
    if driver == "PNG":
        _check_png(file)
    _check_sidecars(file)
    return Source(str(file.absolute()), driver)


def driver_of(head: bytes) -> str | None:
    """Return the driver for a file's first bytes, None when none is known."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((driver for magic, driver in MAGICS if head.startswith(magic)), None)


def identity(path: str | Path) -> str:
    """Return one line that changes when the file does: resolved path, size, mtime in ns.

    Raises:
        RasterError: the file cannot be looked at.
    """
    text = os.fspath(path)
    if "://" in text and isinstance(path, str):
        return text
    try:
        file = Path(text).resolve()
        found = file.stat()
    except OSError as error:
        raise RasterError(f"{path}: {_reason(error)}; check the path") from error
    return f"{file} {found.st_size} {found.st_mtime_ns}"


def _remote(url: str, *, allow_vrt: bool) -> Source:
    scheme, _, rest = url.partition("://")
    prefixes: dict[str, Callable[[], str]] = {
        "https": lambda: f"/vsicurl/{url}",
        "s3": lambda: f"/vsis3/{rest}",
    }
    if scheme not in prefixes:
        raise RasterError(
            f"{url}: unknown kind of address ({scheme}://, expected https:// or s3://)"
        )
    suffix = Path(re.split(r"[?#]", rest)[0]).suffix.lower()
    driver = URL_DRIVERS.get(suffix, "GTiff")
    if driver == "VRT" and not allow_vrt:
        raise RasterError(f"{url}: a VRT on the network names further files; pass --allow-vrt")
    return Source(prefixes[scheme](), driver, remote=True)


def _head(file: Path) -> bytes:
    """Return a regular file's first bytes; never blocks on a FIFO or a device."""
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise RasterError(f"{file}: is a folder, expected a raster file; name the file in it")
        if not stat.S_ISREG(mode):
            raise RasterError(f"{file}: is a pipe or device, expected a raster file; save it first")
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise RasterError(f"{file}: {_reason(error)}; check the path") from error
    if not head:
        raise RasterError(f"{file}: is empty (0 bytes); copy or download it again")
    return head


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _is_markup(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return re.match(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<VRTDataset", text, re.DOTALL) is not None


def _check_png(file: Path) -> None:
    """Walk the chunks to the end: GDAL reads a truncated PNG without a word."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        at = 8
        while at + 12 <= size:
            stream.seek(at)
            head = stream.read(8)
            at += int.from_bytes(head[:4], "big") + 12
            if head[4:] == b"IEND":
                return
    raise RasterError(f"{file}: is truncated (no end after {size} bytes); copy it again")


def _check_sidecars(file: Path) -> None:
    """Refuse overviews and masks beside the file that are no rasters: GDAL opens them too."""
    for suffix in (".ovr", ".msk"):
        side = Path(f"{file}{suffix}")
        if side.is_file() and driver_of(_head(side)) is None:
            raise RasterError(
                f"{side}: is not a raster (expected {suffix} of {file.name}); delete it"
            )
    pam = Path(f"{file}.aux.xml")
    if pam.is_file() and b"OVERVIEW_FILE" in _read(pam):
        raise RasterError(f"{pam}: names another file for overviews; delete that entry")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_VRT + 1)
    except OSError as error:
        raise RasterError(f"{file}: {_reason(error)}; check the path") from error
    if len(content) > LARGEST_VRT:
        raise RasterError(f"{file}: is too large (over {LARGEST_VRT} bytes of XML); split it")
    return content


def _check_vrt(file: Path, head: bytes, *, allow_vrt: bool) -> None:
    if file.suffix.lower() != ".vrt":
        raise RasterError(
            f"{file}: holds XML (starts with {head[:12]!r}), not pixels; "
            "a VRT is opened only under the suffix .vrt"
        )
    if allow_vrt:
        return
    for name, relative in _vrt_sources(file):
        _check_vrt_source(file, name, relative=relative)


def _vrt_sources(file: Path) -> list[tuple[str, bool]]:
    """Return each source's name and whether it is relative to the VRT; refuse the rest."""
    found: list[tuple[str, bool]] = []
    text: list[str] = []
    relative = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal relative
        strange = attributes.keys() - VRT_ATTRIBUTES - _harmless_domain(attributes)
        for name in (*({tag} - VRT_ELEMENTS), *sorted(strange)):
            raise _vrt_error(file, f"has {name}")
        text.clear()
        relative = attributes.get("relativeToVRT") == "1"

    def end(tag: str) -> None:
        if tag == "SourceFilename":
            found.append(("".join(text).strip(), relative))

    def doctype(*_: object) -> None:
        raise RasterError(f"{file}: XML with a DOCTYPE is not read; remove it")

    parser = expat.ParserCreate("UTF-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = doctype
    try:
        parser.Parse(_read(file), True)  # noqa: FBT003 - expat takes it by position only
    except expat.ExpatError as error:
        raise RasterError(f"{file}: is broken XML ({error}); write the VRT again") from error
    return found


def _harmless_domain(attributes: dict[str, str]) -> set[str]:
    """Return the attribute `domain` if its metadata only describe; others name files."""
    return {"domain"} if attributes.get("domain") == "IMAGE_STRUCTURE" else set()


def _check_vrt_source(file: Path, name: str, *, relative: bool) -> None:
    if name.startswith(("/vsi", "<")) or re.match(r"[A-Za-z_0-9]{2,}:", name):
        raise _vrt_error(file, f"names {name}")
    folder = file.parent.resolve()
    source = (file.parent / name if relative else Path(name)).resolve()
    if not source.is_relative_to(folder):
        raise _vrt_error(file, f"names {name} outside its own folder")
    if driver_of(_head(source)) is None:
        raise _vrt_error(file, f"names {name}, which is no plain raster")
    _check_sidecars(source)


def _vrt_error(file: Path, what: str) -> RasterError:
    return RasterError(
        f"{file}: {what}, expected a plain mosaic of rasters in its folder; "
        "pass --allow-vrt if you trust it"
    )
