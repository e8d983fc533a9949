"""Which tile costs least: pixels to compute against memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from geounet.backends.machine import memory
from geounet.errors import OptionError
from geounet.grid import TileGrid
from geounet.memory import PROCESS, Room, walk_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geounet.card import ModelCard
    from geounet.halo import Halo

SMALLEST, LARGEST, LARGEST_ON_GPU = 256, 2560, 4096
"""Tiles that are looked at; a halo may ask for larger ones, a small raster for smaller."""
STEP = 16
"""Tiles are looked at in steps of the network's stride, at least so many pixels."""
TILE_COST = 128 * 128
"""What a tile costs besides its own pixels, in pixels."""
NARROWEST = 1024
"""Narrowest band of columns that is looked at."""
KEPT = 4
"""A tile has at least so many halos, unless little memory was allowed."""


@dataclass(frozen=True)
class Asked:
    """What a user said of the tiles."""

    tile: int | Literal["auto"]
    """Edge of the network's input."""
    batch_size: int | Literal["auto"]
    """Tiles in a batch."""
    band_width: int
    """Widest band of columns."""


@dataclass(frozen=True)
class Tiling:
    """A way to tile a raster, with what it takes."""

    grid: TileGrid
    """Where tiles lie."""
    batch_size: int
    """Tiles in a batch."""
    memory: int
    """Bytes the whole process is expected to take."""
    network: int
    """Bytes of activations, in the process or on a device of their own."""

    @property
    def cost(self) -> float:
        """Pixels to compute, with what bands of columns compute or read twice."""
        grid = self.grid
        twice = 2 * grid.halo / grid.band_width if len(grid.bands) > 1 else 0
        return len(grid) * (grid.tile**2 + TILE_COST) * (1 + twice)

    @property
    def why(self) -> str:
        """What it computes and takes, in words."""
        grid = self.grid
        pixels = len(grid) * grid.tile**2 / (grid.shape[0] * grid.shape[1])
        return (
            f"tile {grid.tile} keeps {grid.stride} of its pixels along each axis: "
            f"{len(grid)} tiles compute {pixels:.2f} × the raster; in batches of "
            f"{self.batch_size} and bands of {min(grid.band_width, grid.shape[1])} columns "
            f"that takes about {self.memory / 1e9:.2f} GB"
        )


def settle_tiling(
    shape: tuple[int, int], card: ModelCard, halo: Halo, asked: Asked, room: Room
) -> Tiling:
    """Return the tiling that computes least of those that memory has room for.

    What was asked for is kept. Where nothing fits our own budget, the lightest is taken that is
    not absurd; where nothing fits what was allowed, it is refused.

    Raises:
        GridError: tile and halo do not fit the network.
        OptionError: the batch is no size, or nothing fits the memory that was allowed.
    """
    if asked.batch_size != "auto" and asked.batch_size < 1:
        raise OptionError(f"batch size must be at least 1, got {asked.batch_size}")
    found = list(_tilings(shape, card, halo, asked, room))
    if room.limit is None:
        found = [one for one in found if one.grid.tile >= KEPT * halo.size] or found
    fitting = [one for one in found if room.fits(one.memory, one.network)]
    if fitting:
        return min(fitting, key=lambda one: (one.cost, one.memory))
    lightest = min(found, key=lambda one: (one.memory, one.network))
    there = memory()
    if room.limit is None and there is not None and lightest.memory > there:
        raise OptionError(
            f"tiles of {lightest.grid.tile} in batches of {lightest.batch_size} take about "
            f"{lightest.memory / 1e9:.3g} GB, this machine has {there / 1e9:.3g}; try --tile auto "
            "and --batch-size auto"
        )
    if room.limit is not None and lightest.memory > room.limit:
        raise OptionError(
            f"--max-memory {room.limit / 1e9:.2f}GB is too little for model {card.name} on this "
            f"raster; the smallest that works is {-(-lightest.memory // 10**7) / 100:.2f}GB"
        )
    return lightest


def _tilings(
    shape: tuple[int, int], card: ModelCard, halo: Halo, asked: Asked, room: Room
) -> Iterator[Tiling]:
    """Every tile, with each band of columns and batch, the wider and larger first."""
    for tile in _tiles(shape, card.stride, halo.size, asked, room):
        for band in _halved(asked.band_width, min(NARROWEST, asked.band_width)):
            grid = TileGrid.cover(
                shape, tile=tile, halo=halo.size, align=card.stride, band_width=band
            )
            rows = PROCESS + walk_bytes(grid, halo.blend, card)
            for batch in _batches(tile, asked, room):
                network = room.network(tile, batch, card)
                yield Tiling(grid, batch, rows + network * (room.on_device is None), network)


def _tiles(
    shape: tuple[int, int], stride: int, halo: int, asked: Asked, room: Room
) -> Iterator[int]:
    if asked.tile != "auto":
        yield asked.tile
        return
    step = -(-STEP // stride) * stride
    whole = -(-max(shape) // step) * step + 2 * halo  # one tile for all
    least = max(2 * halo + stride, min(SMALLEST, whole))
    first = -(-least // step) * step
    largest = max(LARGEST if room.on_device is None else LARGEST_ON_GPU, KEPT * halo)
    yield from range(first, max(min(largest, whole + step), first) + 1, step)


def _batches(tile: int, asked: Asked, room: Room) -> Iterator[int]:
    if asked.batch_size != "auto":
        yield asked.batch_size
        return
    pixels = 512 * 512 if room.on_device is None else 8 * 1024 * 1024
    yield from _halved(max(pixels // (tile * tile), 1), 1)


def _halved(largest: int, smallest: int) -> Iterator[int]:
    size = largest
    while size >= smallest:
        yield size
        size //= 2
