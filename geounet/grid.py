"""Cut a raster's shape into tiles and cells: pure integers, no pixels, no files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from rasterio.windows import Window

from geounet.errors import GridError

BAND_WIDTH = 16_384
"""Widest band of columns, in pixels, that is inferred in one go."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One input of the network."""

    row: int
    """Row of the tile in its grid."""
    col: int
    """Column of the tile in its grid."""
    core: Window
    """Pixels this tile answers for, clipped to the raster; cores partition the raster."""
    read: Window
    """`core`'s unclipped square grown by the halo; may overhang the raster on every side."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The unit of work: one row of tiles within one band of columns."""

    row: int
    """Row of tiles."""
    band: int
    """Band of columns."""
    cols: range
    """Columns of tiles in the band."""
    core: Window
    """Pixels of the cell, clipped to the raster."""


@dataclass(frozen=True)
class TileGrid(Sequence[Tile]):
    """All tiles of a raster in row-major order; make one with `cover`."""

    shape: tuple[int, int]
    """Height and width of the raster."""
    tile: int
    """Edge of the network's input, halo included."""
    halo: int
    """Context pixels on each side that are read but not kept."""
    band_width: int = BAND_WIDTH
    """Widest band of columns that makes one cell."""

    @classmethod
    def cover(
        cls,
        shape: tuple[int, int],
        *,
        tile: int,
        halo: int,
        align: int = 1,
        band_width: int = BAND_WIDTH,
    ) -> TileGrid:
        """Return the grid that covers a raster.

        Args:
            shape: height and width of the raster, each at least 1.
            tile: edge of the network's input, a multiple of `align`.
            halo: context on each side, a multiple of `align`, less than half of `tile`.
            align: total stride of the network; tile origins are multiples of it.
            band_width: widest band of columns that makes one cell.

        Raises:
            GridError: when the numbers do not fit; the message names some that do.
        """
        if min(shape) < 1:
            raise GridError(f"a raster needs at least one pixel, got {shape[0]} × {shape[1]}")
        smallest = 2 * halo + align
        if tile < 1 or tile % align:
            nearest = max(-(-tile // align) * align, align)
            raise GridError(
                f"tile must be a positive multiple of {align}, got {tile}; try {nearest}"
            )
        if halo < 0 or halo % align:
            nearest = max(-(-halo // align) * align, 0)
            raise GridError(
                f"halo must be a multiple of {align} from 0 up, got {halo}; try {nearest}"
            )
        if tile < smallest:
            raise GridError(
                f"tile {tile} has no room for a halo of {halo} on each side; "
                f"the smallest tile that has is {smallest}"
            )
        return cls(shape, tile, halo, band_width)

    @property
    def stride(self) -> int:
        """Distance between neighbouring cores."""
        return self.tile - 2 * self.halo

    @property
    def rows(self) -> int:
        """Rows of tiles."""
        return -(-self.shape[0] // self.stride)

    @property
    def cols(self) -> int:
        """Columns of tiles."""
        return -(-self.shape[1] // self.stride)

    @cached_property
    def bands(self) -> list[range]:
        """Columns of tiles of each band, left to right."""
        step = max(self.band_width // self.stride, 1)
        return [range(at, min(at + step, self.cols)) for at in range(0, self.cols, step)]

    @property
    def reach(self) -> int:
        """How many tiles away a tile's read window still touches a core."""
        return -(-self.halo // self.stride)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return self.rows * self.cols

    @overload
    def __getitem__(self, index: int) -> Tile: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tile]: ...
    def __getitem__(self, index: int | slice) -> Tile | list[Tile]:
        """Return the tile at a row-major index, or the tiles of a slice."""
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(index)
        return self.at(*divmod(at, self.cols))

    def at(self, row: int, col: int) -> Tile:
        """Return the tile at a row and column of the grid."""
        top, left = row * self.stride, col * self.stride
        read = Window(left - self.halo, top - self.halo, self.tile, self.tile)
        return Tile(row, col, self._clipped(top, left, self.stride), read)

    def cell(self, row: int, band: int) -> Cell:
        """Return the cell of a row of tiles and a band of columns."""
        cols = self.bands[band]
        width = len(cols) * self.stride
        return Cell(
            row, band, cols, self._clipped(row * self.stride, cols.start * self.stride, width)
        )

    def cells(self) -> Iterator[Cell]:
        """Yield every cell, band by band, top to bottom: the order of work."""
        for band in range(len(self.bands)):
            for row in range(self.rows):
                yield self.cell(row, band)

    def _clipped(self, top: int, left: int, width: int) -> Window:
        height = min(self.stride, self.shape[0] - top)
        return Window(left, top, min(width, self.shape[1] - left), height)
