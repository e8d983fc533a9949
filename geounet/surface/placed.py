"""A sheet with its place on a surface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rasterio.windows import Window

from geounet.surface.lattice import around
from geounet.surface.warp import Copied, Drawn

if TYPE_CHECKING:
    from geounet.reader import RasterInfo, Reader
    from geounet.surface.lattice import Lattice
    from geounet.surface.sheets import Sheet


@dataclass(frozen=True)
class Placed:
    """A sheet of a surface."""

    name: str
    """Its path from the folder that holds all sheets."""
    path: str
    """As it was named; it may be a URL."""
    info: RasterInfo
    """What it is."""
    window: Window
    """Pixels of the surface beyond which it shows nothing."""
    offset: tuple[int, int] | None
    """Row and column of its first pixel on the surface; None where it has other pixels."""
    centre: tuple[float, float]
    """Row and column of its centre on the surface."""

    @classmethod
    def on(cls, lattice: Lattice, name: str, sheet: Sheet) -> Placed:
        """Return a sheet with its place among the lattice's rows and columns.

        Raises:
            RasterError: it has none there.
        """
        info = sheet.info
        window = lattice.window(info)
        middle = Window(info.width / 2, info.height / 2, 0, 0)
        cols, rows = lattice.seen(info, middle)
        centre = float(rows[0]), float(cols[0])
        offset = lattice.offset(info)
        if offset is not None:  # without the noise of the way through the world
            centre = offset[0] + info.height / 2, offset[1] + info.width / 2
        return cls(name, sheet.path, info, window, offset, centre)

    def from_origin(self, top: int, left: int) -> Placed:
        """Return it with rows and columns counted from another pixel."""
        window = _moved(self.window, -top, -left)
        offset = None if self.offset is None else (self.offset[0] - top, self.offset[1] - left)
        centre = self.centre[0] - top, self.centre[1] - left
        return replace(self, window=window, offset=offset, centre=centre)

    def reader(self, reader: Reader, grid: RasterInfo) -> Copied | Drawn:
        """Return a reader of its pixels by their place on the surface.

        Args:
            reader: of the sheet's own pixels.
            grid: of the surface.
        """
        return Drawn(reader, grid) if self.offset is None else Copied(reader, self.offset)

    def shown(self, window: Window, lattice: Lattice) -> Window:
        """Return the pixels of the surface that a window of the sheet may show something in.

        Args:
            window: rows and columns of the sheet.
            lattice: of the surface, counted from its first pixel.
        """
        if self.offset is not None:
            return _moved(window, *self.offset)
        return around(*lattice.seen(self.info, window))


def _moved(window: Window, down: int, right: int) -> Window:
    col, row = window.col_off + right, window.row_off + down
    return Window(col, row, window.width, window.height)
