"""The sheets of a survey: what each one is, and which of them cannot be part of one surface."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from geounet.errors import RasterError
from geounet.raster import open_raster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pyproj import CRS

    from geounet.reader import RasterInfo


@dataclass(frozen=True)
class Sheet:
    """A raster of a survey."""

    path: str
    """As it was named; it may be a URL."""
    info: RasterInfo
    """What it is."""


@dataclass(frozen=True)
class Refused:
    """A raster that is left out of a surface."""

    path: str
    """As it was named."""
    why: str
    """One line, with its cure."""
    info: RasterInfo | None = None
    """What is known of it; None where it could not be opened."""


def read_sheets(
    paths: Iterable[str], bands: Sequence[int] | None = None, *, allow_vrt: bool = False
) -> tuple[list[Sheet], list[Refused]]:
    """Return what each raster is, ordered by name, and those that cannot be used.

    Args:
        paths: rasters, in any order.
        bands: those to read, 1-based; all but alpha when None.
        allow_vrt: also open a VRT with sources outside its folder.
    """
    sheets, refused = [], []
    known: dict[str, CRS] = {}
    for path in sorted(set(paths)):
        try:
            with open_raster(path, bands=bands, allow_vrt=allow_vrt) as reader:
                info = reader.info
        except RasterError as error:
            refused.append(Refused(path, str(error)))
            continue
        if info.crs is None:
            refused.append(Refused(path, _nowhere(path)))
            continue
        sheets.append(Sheet(path, replace(info, crs=_same(info.crs, known))))
    return sheets, refused


def alike(sheets: list[Sheet]) -> tuple[list[Sheet], list[Refused]]:
    """Return the sheets of the commonest bands and pixel type, and the others."""
    infos = [sheet.info for sheet in sheets]
    bands, kind = _commonest(infos, _kind) or (0, "")
    named = [each for each in infos if any(each.names) and _kind(each) == (bands, kind)]
    names = _commonest(named, lambda each: each.names)
    kept, refused = [], []
    for sheet in sheets:
        each, why = sheet.info, None
        if each.count != bands:
            why = f"has {each.count} bands (expected {bands}, as the others); choose with --bands"
        elif str(each.dtype) != kind:
            why = f"pixels are {each.dtype} (expected {kind}, as the others'); convert it first"
        elif any(each.names) and each.names != names:
            called, expected = ", ".join(each.names), ", ".join(names or ())
            why = (
                f"calls its bands {called} (expected {expected}, as the others); to take them "
                "for these all the same, pass --bands"
            )
        if why is None:
            kept.append(sheet)
        else:
            refused.append(Refused(sheet.path, f"{sheet.path}: {why}", each))
    return kept, refused


def _kind(info: RasterInfo) -> tuple[int, str]:
    """Return how many bands of which pixel type."""
    return info.count, str(info.dtype)


def _commonest(infos: list[RasterInfo], of: Callable[[RasterInfo], Any]) -> Any:  # noqa: ANN401 - whatever `of` gives
    """Return what holds for most pixels, the first by name among equals."""
    counts: Counter[Any] = Counter()
    for each in infos:
        counts[of(each)] += each.height * each.width
    return max(counts, key=counts.__getitem__, default=None)


def _same(crs: CRS, known: dict[str, CRS]) -> CRS:
    """Return the CRS that was met first of those that are the same: comparing them is slow."""
    if crs.srs not in known:
        known[crs.srs] = next((each for each in known.values() if each == crs), crs)
    return known[crs.srs]


def _nowhere(path: str) -> str:
    return (
        f"{path}: has no CRS, so its place among the others is not known (expected one); "
        f"run: gdal_translate -a_srs EPSG:NNNN {path} placed.tif"
    )
