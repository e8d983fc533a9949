"""The images that an annotation file names, found in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from geounet.errors import AnnotationError
from geounet.inputs import find_rasters
from geounet.raster import open_raster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geounet.reader import RasterInfo

_LISTED = 5


class Imagery:
    """A folder of rasters, asked by the names a file gives them."""

    def __init__(self, folder: Path) -> None:
        """Look into the folder.

        Raises:
            RasterError: it holds no raster, or is none.
        """
        self.folder = folder
        self.rasters = find_rasters([str(folder)])
        self._stems: dict[str, list[str]] = {}
        for raster in self.rasters:
            self._stems.setdefault(Path(raster).stem, []).append(raster)

    def get(self, name: PurePosixPath) -> str | None:
        """Return the raster of a safe name with or without its suffix, None when there is none.

        Raises:
            AnnotationError: several have the name but for their suffixes.
        """
        path = self.folder / name
        if path.is_file():
            return str(path)
        found = self._stems.get(name.name, []) if len(name.parts) == 1 else []
        if len(found) > 1:
            both = " and ".join(Path(raster).name for raster in found[:2])
            raise AnnotationError(f"{self.folder}: {name} may be {both}; name it with its suffix")
        return found[0] if found else None

    def find(self, names: Iterable[PurePosixPath], source: Path) -> dict[PurePosixPath, str]:
        """Return the rasters of all names.

        Raises:
            AnnotationError: some are not there.
        """
        found = {name: self.get(name) for name in names}
        missing = [str(name) for name, raster in found.items() if raster is None]
        if missing:
            raise AnnotationError(f"{source}: {listed(missing)} not in {self.folder}; add them")
        return {name: raster for name, raster in found.items() if raster is not None}


def listed(names: list[str]) -> str:
    """Return some names and the number of the others."""
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    verb = "is" if len(names) == 1 else "are"
    return f"{', '.join(names[:_LISTED])}{more} {verb}"


def grid_of(raster: str) -> RasterInfo:
    """Return what a class raster on the grid of a raster is.

    Raises:
        RasterError: it cannot be opened.
    """
    with open_raster(raster, indexed=True) as reader:
        return class_grid(reader.info)


def class_grid(info: RasterInfo) -> RasterInfo:
    """Return what a class raster on the same grid is."""
    return replace(info, count=1, dtype=np.dtype(np.uint8), nodata=None, scale=1.0)
