"""What a raster is, and anything that windows of it can be read from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from geounet.ground import pixel_steps

if TYPE_CHECKING:
    from pathlib import Path

    from affine import Affine
    from numpy.typing import NDArray
    from pyproj import CRS
    from rasterio.windows import Window


@dataclass(frozen=True, kw_only=True)
class RasterInfo:
    """What a raster is, without its pixels."""

    path: Path
    """File the pixels come from (for messages and identity)."""
    height: int
    """Rows."""
    width: int
    """Columns."""
    count: int
    """Bands a read returns."""
    dtype: np.dtype[Any]
    """Type of the raw pixels."""
    transform: Affine
    """Pixel corner (col, row) → world (x, y); identity when there is no CRS and no world file."""
    crs: CRS | None
    """Coordinate reference system, None when the raster has none."""
    nodata: float | None
    """The file's marker, None when it has none."""
    block_shape: tuple[int, int]
    """Height and width of the file's own tiling."""
    scale: float = 1.0
    """What the file says one step of a pixel is worth; a read does not apply it."""
    files: tuple[str, ...] = ()
    """All files it is read from: itself, the sources of a VRT, what lies beside it."""
    bands: tuple[int, ...] = ()
    """The file's numbers of the bands a read returns, 1-based."""
    names: tuple[str, ...] = ()
    """What the file calls each of them; empty where it says nothing."""
    taken: tuple[str, ...] = ()
    """Dates that its tags tell, that of the acquisition first; as they stand there."""
    bits: int | None = None
    """Bits of a pixel, where the file has fewer than its type; as of drawings of 16 colours."""
    sheets: Sheets | None = None
    """Of a surface, which file counts where; None of a single file."""
    overviews: tuple[int, ...] = ()
    """How many pixels one of each overview stands for, along an axis, the finest first."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Extent in the CRS: min x, min y, max x, max y of the four corners."""
        corners = ((0, 0), (self.width, 0), (0, self.height), (self.width, self.height))
        xs, ys = zip(*(self.transform @ corner for corner in corners), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def gsd_xy(self) -> tuple[float, float] | None:
        """Metres on the ground per column and per row, at the centre; None without a CRS."""
        return None if self._steps is None else (self._steps[0], self._steps[1])

    @property
    def gsd(self) -> float | None:
        """Ground sample distance in metres: root of a pixel's area, at the centre."""
        if self._steps is None:
            return None
        along_cols, along_rows, angle = self._steps
        return math.sqrt(along_cols * along_rows * abs(math.sin(angle)))

    @cached_property
    def _steps(self) -> tuple[float, float, float] | None:
        """Length of a step along columns, along rows (m), and the angle between them (rad)."""
        return pixel_steps(self.crs, self.transform, self.shape)


class Sheets(Protocol):
    """What is known of the files that a raster is put together from."""

    @property
    def identity(self) -> str:
        """One line that changes when one of them does."""
        ...

    def parts(self, info: RasterInfo) -> dict[str, list[Any]]:
        """Return each file with what changes when it does, and its place on a grid.

        Args:
            info: of this raster, perhaps at another GSD.

        Returns:
            By path: identity, first row, last row + 1, first column, last column + 1.
        """
        ...

    @property
    def share(self) -> float:
        """Part of the raster that they may cover, 0–1."""
        ...

    def names_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.object_]:
        """Return the name of the file that counts at each point in the CRS."""
        ...


@dataclass(frozen=True)
class Patch:
    """Pixels of one window."""

    data: NDArray[np.generic]
    """Raw pixels `(bands, height, width)`, in the file's dtype."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = data, False = nodata, masked, alpha 0 or not finite."""
    window: Window
    """Where the pixels lie in the raster."""

    def part(self, window: Window) -> Patch:
        """Return the part that lies in a window inside this one, without copying."""
        top = int(window.row_off - self.window.row_off)
        left = int(window.col_off - self.window.col_off)
        at = slice(top, top + int(window.height)), slice(left, left + int(window.width))
        return Patch(self.data[:, *at], self.valid[at], window)


class Reader(Protocol):
    """Anything windows can be read from: a file, a resampled file, a fake."""

    @property
    def info(self) -> RasterInfo:
        """What the raster is."""
        ...

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels of a window that lies wholly inside the raster.

        Args:
            window: rows and columns.
            into: arrays of the window's shape that are filled and returned; new ones when None.
        """
        ...

    def holds_data(self, window: Window) -> bool:
        """Return False when a window surely has no data, as is known without reading it."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def empty_patch(info: RasterInfo, window: Window) -> Patch:
    """Return arrays for the pixels of a window."""
    shape = int(window.height), int(window.width)
    return Patch(np.empty((info.count, *shape), info.dtype), np.empty(shape, np.bool_), window)
