"""What a result is wanted of: a raster, or many sheets that are read as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geounet.forgiving import Forgiving
from geounet.raster import open_raster
from geounet.sources import find_source, identity
from geounet.surface import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.forgiving import Failures
    from geounet.reader import Reader

Imagery = str | Path | Surface
"""File or URL of a raster, or a surface of sheets."""


def open_imagery(
    imagery: Imagery,
    *,
    bands: Sequence[int] | None = None,
    allow_vrt: bool = False,
    failures: Failures | None = None,
) -> Reader:
    """Return a reader of the pixels as they are stored.

    Args:
        imagery: what is to be read.
        bands: 1-based bands; all but alpha when None.
        allow_vrt: also open a VRT with sources outside its folder; a surface was told already.
        failures: takes what cannot be read; None has it raise.

    Raises:
        RasterError: it cannot be opened, or not be understood.
    """
    if isinstance(imagery, Surface):
        return imagery.open(bands, failures)
    reader = open_raster(imagery, bands=bands, allow_vrt=allow_vrt)
    return reader if failures is None else Forgiving(reader, failures.add)


def paths_of(imagery: Imagery) -> list[str | Path]:
    """Return the files and URLs that are read."""
    if isinstance(imagery, Surface):
        return [sheet.path for sheet in imagery.sheets]
    return [imagery]


def shown_as(imagery: Imagery, *, allow_vrt: bool = False) -> str | None:
    """Return what GDAL calls it; None of a surface, which is no file."""
    if isinstance(imagery, Surface):
        return None
    return find_source(imagery, allow_vrt=allow_vrt).name


def identity_of(imagery: Imagery) -> str:
    """Return one line that changes when a pixel may."""
    return imagery.identity if isinstance(imagery, Surface) else identity(imagery)
