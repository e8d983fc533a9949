"""What a user typed → the rasters that were meant."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from geounet.errors import RasterError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIXES = (".tif", ".tiff", ".vrt", ".png", ".jpg", ".jpeg", ".webp", ".jp2", ".img")


def find_rasters(inputs: Sequence[str]) -> list[str]:
    """Return the rasters of files, URLs, folders and globs, each once, in the order given.

    A folder stands for the rasters directly in it, hidden files left out.

    Raises:
        RasterError: a folder or glob has no raster.
    """
    found = [raster for one in inputs for raster in _expanded(one)]
    return list(dict.fromkeys(found))


def _expanded(one: str) -> list[str]:
    if "://" in one:
        return [one]
    path = Path(one)
    try:
        if path.is_dir():
            return some(sorted(map(str, filter(_is_raster, path.iterdir()))), one)
        if not path.exists() and glob.has_magic(one):
            matches = (Path(match) for match in glob.glob(one, recursive=True))  # noqa: PTH207
            return some(sorted(map(str, filter(_is_raster, matches))), one)
    except OSError as error:
        raise RasterError(f"{one}: {(error.strerror or '').lower()}; check the path") from error
    return [one]


def _is_raster(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() in SUFFIXES


def some(rasters: list[str], asked: str) -> list[str]:
    """Return rasters that were found.

    Raises:
        RasterError: there are none.
    """
    if not rasters:
        raise RasterError(
            f"{asked}: no raster there (looked for {', '.join(SUFFIXES)}); name a file, or another "
            "folder"
        )
    return rasters
