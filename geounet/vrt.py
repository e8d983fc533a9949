"""Let a VRT be opened only when it is a plain mosaic of rasters in its own folder."""

from __future__ import annotations

import re
from pathlib import Path
from xml.parsers import expat

from geounet.drivers import check_sidecars, driver_of, read_head, reason
from geounet.errors import RasterError

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


def is_markup(head: bytes) -> bool:
    """Return whether a file's first bytes begin a VRT."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return re.match(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<VRTDataset", text, re.DOTALL) is not None


def check_vrt(file: Path, head: bytes, *, allow_vrt: bool) -> None:
    """Refuse a VRT under another suffix, and, unless allowed, all that is no plain mosaic.

    Raises:
        RasterError: what it names, and the cure.
    """
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
            found.append(("".join(text), relative))

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
    if driver_of(read_head(source)) is None:
        raise _vrt_error(file, f"names {name}, which is no plain raster")
    check_sidecars(source)


def _vrt_error(file: Path, what: str) -> RasterError:
    return RasterError(
        f"{file}: {what}, expected a plain mosaic of rasters in its folder; "
        "pass --allow-vrt if you trust it"
    )


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_VRT + 1)
    except OSError as error:
        raise RasterError(f"{file}: {reason(error)}; check the path") from error
    if len(content) > LARGEST_VRT:
        raise RasterError(f"{file}: is too large (over {LARGEST_VRT} bytes of XML); split it")
    return content
