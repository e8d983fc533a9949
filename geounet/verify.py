"""Is the tiled result what one untiled pass gives? Measured on windows of the raster itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from geounet.errors import ModelError
from geounet.grid import Cell, TileGrid
from geounet.halo import EXACT, TOLERANCE, covering
from geounet.options import PredictOptions
from geounet.prepare import prepared
from geounet.quantise import classify, quantise
from geounet.rows import mirrored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.walk import Walk

EDGE = 128
"""Edge of a window."""
CONTEXT = 512
"""Context of an untiled pass of a network that looks at everything."""
DRAWS = 6
"""Places that are drawn for a window; the one with most data and detail is taken."""
KINDS = ("edge", "seam", "anywhere", "seam")
"""Where windows lie, in turn."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far tiled and untiled lie apart in one window, over pixels with data."""

    pixels: int
    """Pixels that were compared, of each class."""
    largest: float
    """Largest |Δp|."""
    row: int
    """Where that is."""
    col: int
    """Where that is."""
    steps: int
    """Values of the uint8 raster that differ."""
    flips: int
    """Pixels that are of another class in one of the two."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found over all windows."""

    max_difference: float
    """Largest |Δp| between the tiled and the untiled result."""
    bound: float
    """What it may be."""
    windows: int
    """Windows that were compared."""
    pixels: int
    """Pixels with data in them."""
    row: int
    """Where the largest difference is."""
    col: int
    """Where the largest difference is."""
    x: float
    """The same in the raster's CRS."""
    y: float
    """The same in the raster's CRS."""
    uint8_share: float
    """Share of the uint8 raster's values that differ."""
    mask_share: float
    """Share of pixels that are of another class in one of the two."""
    tile: int
    """Edge of a tile."""
    halo: int
    """Context on each side."""
    blend: str
    """How tiles are joined."""
    receptive_field: int | None
    """Of the model."""
    exact: bool
    """An exact result was promised, and not only a tolerable one."""

    @property
    def holds(self) -> bool:
        """The largest difference lies within the bound."""
        return self.pixels > 0 and self.max_difference <= self.bound

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        found = f"the largest difference is {self.max_difference:.2g}, the bound {self.bound:.2g}"
        if not self.pixels:
            return "nothing was compared: no window has data; try more --windows or another --seed"
        if self.holds:
            kind = "equals" if self.exact else "stands for"
            return f"the tiled result {kind} the untiled one: {found}"
        return f"the tiled result is not the untiled one: {found}; try a larger --halo"

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return asdict(self) | {"holds": self.holds}


def verify(
    raster: str | Path,
    options: PredictOptions | None = None,
    *,
    windows: int = 8,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Verdict:
    """Compare the tiled walk with an untiled pass on windows of a raster.

    Only the tiles that touch a window are run, so a raster of any size will do.

    Args:
        raster: file or URL of an image.
        options: as for a prediction; outputs are ignored.
        windows: windows to compare: at the raster's edge, across seams and anywhere, with data.
        seed: another seed, other windows.
        progress: called with windows done and windows in total.

    Raises:
        GeounetError: see `geounet.errors`.
    """
    with prepared(raster, options or PredictOptions()) as walk:
        if walk.step.card.tile:
            raise ModelError(
                f"model {walk.step.card.name} takes tiles of {walk.step.card.tile} alone, there "
                "is no untiled pass to compare with; verify the model it was made from"
            )
        found = []
        for number, window in enumerate(choose_windows(walk, windows, seed)):
            found.append(compare(walk, window))
            progress(number + 1, windows)
        return _verdict(walk, found)


def choose_windows(walk: Walk, count: int, seed: int) -> Iterator[Window]:
    """Yield windows by `KINDS`, each the best of some draws: most data, not one colour."""
    chance = np.random.default_rng(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        drawn = [_drawn(walk.plan.grid, kind, chance) for _ in range(DRAWS)]
        yield max(drawn, key=lambda window: _interest(walk, window))


def compare(walk: Walk, window: Window) -> Difference:
    """Return how far the tiled walk and one untiled pass lie apart within a window."""
    plain, valid = untiled(walk, window)
    joined = tiled(walk, window)
    apart = np.where(valid, np.abs(joined - plain), 0)
    _, row, col = np.unravel_index(int(apart.argmax()), apart.shape)
    q, q_plain = quantise(np.where(valid, joined, 0)), quantise(plain)
    found, plainly = (classify(steps, walk.plan.level) for steps in (q, q_plain))
    return Difference(
        pixels=int(valid.sum()),
        largest=float(apart.max()),
        row=int(window.row_off + row),
        col=int(window.col_off + col),
        steps=int(((q != q_plain) & valid).sum()),
        flips=int(((found != plainly) & valid).sum()),
    )


def untiled(walk: Walk, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return probability and valid mask of a window from one pass over it and its context.

    The context covers the receptive field, so nothing farther away could change a pixel; for a
    network that looks at everything it is merely wide. It begins on the network's stride.
    """
    grid, card = walk.plan.grid, walk.step.card
    field = covering(card)
    context = max(_multiple(CONTEXT, card.stride) if field is None else field, grid.halo)
    spans = [
        _span(int(start), int(length), context, card.stride)
        for start, length in (
            (window.row_off, window.height),
            (window.col_off, window.width),
        )
    ]
    at = [mirrored(*span, n, grid.halo) for span, n in zip(spans, grid.shape, strict=True)]
    top, left = (int(each.min()) for each in at)
    height, width = (
        int(each.max()) + 1 - begin for each, begin in zip(at, (top, left), strict=True)
    )
    patch = walk.reader.read(Window(left, top, width, height))
    rows, cols = at[0] - top, at[1] - left
    data, valid = patch.data[:, rows][:, :, cols], patch.valid[np.ix_(rows, cols)]
    p = walk.step(data[None], valid[None])["probability"][0]
    row, col = int(window.row_off) - spans[0][0], int(window.col_off) - spans[1][0]
    inner = slice(row, row + int(window.height)), slice(col, col + int(window.width))
    return p[(slice(None), *inner)], valid[inner]


def tiled(walk: Walk, window: Window) -> NDArray[np.float32]:
    """Return the window's probability from the walk over the tiles that touch it."""
    grid = walk.plan.grid
    top, left = int(window.row_off), int(window.col_off)
    height, width = int(window.height), int(window.width)
    rows, cols = _tiles(top, height, grid.stride), _tiles(left, width, grid.stride)
    out = np.zeros((walk.plan.classes, height, width), np.float32)
    for sums in walk.summed([_part(grid, row, cols) for row in rows]):
        cell, p = sums.probability()
        low, right = int(cell.core.row_off), int(cell.core.col_off)
        begin, end = max(low, top), min(low + int(cell.core.height), top + height)
        inner = slice(begin - low, end - low), slice(left - right, left - right + width)
        out[:, begin - top : end - top] = p[(slice(None), *inner)]
    return out


def _part(grid: TileGrid, row: int, cols: range) -> Cell:
    """Some columns of a row of tiles as a cell of their own."""
    first, last = grid.at(row, cols.start).core, grid.at(row, cols.stop - 1).core
    width = last.col_off + last.width - first.col_off
    return Cell(row, 0, cols, Window(first.col_off, first.row_off, width, first.height))


def _tiles(start: int, length: int, stride: int) -> range:
    return range(start // stride, (start + length - 1) // stride + 1)


def _span(start: int, length: int, context: int, stride: int) -> tuple[int, int]:
    """First pixel and length of an axis with its context, both multiples of the stride."""
    begin = (start - context) // stride * stride
    return begin, _multiple(start + length + context - begin, stride)


def _multiple(size: int, of: int) -> int:
    return -(-size // of) * of


def _drawn(grid: TileGrid, kind: str, chance: np.random.Generator) -> Window:
    """A window at the raster's edge, across a corner of tiles, or anywhere."""
    places, sizes = [], [min(EDGE, extent) for extent in grid.shape]
    for extent, size in zip(grid.shape, sizes, strict=True):
        last = extent - size
        seam = int(chance.integers(0, -(-extent // grid.stride))) * grid.stride - size // 2
        anywhere = int(chance.integers(0, last + 1))
        edge = last * int(chance.integers(0, 2))
        places.append({"edge": edge, "seam": min(max(seam, 0), last), "anywhere": anywhere}[kind])
    return Window(places[1], places[0], sizes[1], sizes[0])


def _interest(walk: Walk, window: Window) -> tuple[float, float]:
    """How much of a window has data, and how much is to be seen there."""
    patch = walk.reader.read(window)
    seen = patch.data[:, patch.valid]
    return float(patch.valid.mean()), float(seen.std()) if seen.size else 0.0


def _verdict(walk: Walk, found: list[Difference]) -> Verdict:
    worst = max(found, key=lambda one: one.largest)
    plan, info, card = walk.plan, walk.reader.info, walk.step.card
    bound = TOLERANCE if plan.bound is None else plan.bound
    exact = bound == EXACT and walk.step.precision == "fp32"
    x, y = info.transform @ (worst.col + 0.5, worst.row + 0.5)
    pixels = sum(one.pixels for one in found)
    values = max(pixels * plan.classes, 1)
    return Verdict(
        max_difference=worst.largest,
        bound=bound if exact else max(bound, TOLERANCE),
        windows=len(found),
        pixels=pixels,
        row=worst.row,
        col=worst.col,
        x=float(x),
        y=float(y),
        uint8_share=sum(one.steps for one in found) / values,
        mask_share=sum(one.flips for one in found) / max(pixels, 1),
        tile=plan.grid.tile,
        halo=plan.grid.halo,
        blend=plan.blend,
        receptive_field=card.receptive_field,
        exact=exact,
    )
