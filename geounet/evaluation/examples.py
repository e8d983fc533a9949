"""Places to look at: the best, the worst, and some of every band of IoU, as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geounet.preview import Part, picture, preview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.evaluation.scan import Pair
    from geounet.evaluation.scores import ImageScore
    from geounet.evaluation.sides import View

    Pixels = NDArray[np.uint8]

FOUND, FALSE, MISSED = (0, 158, 115), (213, 94, 0), (0, 114, 178)
"""Colours of pixels on both sides, of the prediction's alone, of the truth's alone."""

BANDS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_EACH = 2
"""Examples of a band, of the best and of the worst."""

_LEAST = 1 / 200
"""Share of a square that the foreground of one side must have to be an example."""

_EDGE, _GAP, _LIGHT, _SET = 256, 8, 245, 70


@dataclass(frozen=True)
class Example:
    """One square of an image."""

    kind: str
    """Why it is shown."""
    image: int
    """Number of its image."""
    window: Window
    """Where it lies."""
    iou: float
    """Of its foreground."""


def choose(images: Sequence[ImageScore]) -> list[Example]:
    """Return the examples, each square once: worst, best, then by band those with most in them."""
    squares = [square for at, image in enumerate(images) for square in _squares(at, image)]
    squares.sort(key=lambda each: (each.iou, each.image, each.row, each.col))
    chosen: dict[tuple[int, int, int], Example] = {}

    def take(kind: str, some: Sequence[_Square]) -> None:
        for each in some:
            chosen.setdefault((each.image, each.row, each.col), each.shown(kind, images))

    take("worst", squares[:_EACH])
    take("best", squares[: -_EACH - 1 : -1])
    for low, high in pairwise(BANDS):
        last = high == BANDS[-1]
        band = [each for each in squares if low <= each.iou and (each.iou < high or last)]
        band.sort(key=lambda each: -each.either)
        take(f"IoU {low:g} to {high:g}", band[:_EACH])
    return list(chosen.values())


def drawn(example: Example, pair: Pair) -> bytes:
    """Return an example as a JPEG: image (where there is one), truth, prediction, overlay."""
    ours, theirs = (side.view(example.window) for side in (pair.ours, pair.theirs))
    parts = [_mask(theirs), _mask(ours)]
    if pair.image is None:
        under = np.full((*ours.labels.shape, 3), _LIGHT, np.uint8)
    else:
        under = _image(pair, example.window)
        parts.insert(0, _fitted(under))
    parts.append(_fitted(_overlay(under, ours, theirs)))
    gap = np.full((_EDGE, _GAP, 3), 255, np.uint8)
    row = [piece for part in parts for piece in (gap, part)][1:]
    return picture(np.concatenate(row, axis=1), "JPEG", quality=85)


@dataclass(frozen=True)
class _Square:
    """A square that may become an example."""

    image: int
    row: int
    col: int
    iou: float
    either: int

    def shown(self, kind: str, images: Sequence[ImageScore]) -> Example:
        image = images[self.image]
        edge, (height, width) = image.scan.edge, image.grid.shape
        top, left = self.row * edge, self.col * edge
        window = Window(left, top, min(edge, width - left), min(edge, height - top))
        return Example(kind, self.image, window, self.iou)


def _squares(number: int, image: ImageScore) -> list[_Square]:
    both, either = np.moveaxis(image.scan.squares, 2, 0)
    rows, cols = np.nonzero(either >= max(image.scan.edge**2 * _LEAST, 1))
    return [
        _Square(number, row, col, float(both[row, col] / either[row, col]), int(either[row, col]))
        for row, col in zip(rows.tolist(), cols.tolist(), strict=True)
    ]


def _image(pair: Pair, window: Window) -> Pixels:
    assert pair.image is not None
    longest = max(int(window.width), int(window.height))
    return preview(Part(pair.image, window), longest).pixels


def _mask(view: View) -> Pixels:
    grey = np.where(view.labels > 0, _SET, _LIGHT).astype(np.uint8)
    return _fitted(np.repeat(grey[..., None], 3, axis=2))


def _overlay(under: Pixels, ours: View, theirs: View) -> Pixels:
    mine, true = ours.labels > 0, theirs.labels > 0
    mixed = under.copy()
    for mask, colour in ((mine & true, FOUND), (mine & ~true, FALSE), (true & ~mine, MISSED)):
        mixed[mask] = under[mask] // 3 + np.array(colour, np.uint8) // 3 * 2
    return mixed


def _fitted(pixels: Pixels) -> Pixels:
    """Return pixels in a square of one size, their longer side filling it."""
    height, width = pixels.shape[:2]
    scale = max(height, width) / _EDGE
    rows, cols = (
        np.minimum((np.arange(round(size / scale)) + 0.5) * scale, size - 1).astype(int)
        for size in (height, width)
    )
    canvas = np.full((_EDGE, _EDGE, 3), 255, np.uint8)
    canvas[: len(rows), : len(cols)] = pixels[rows][:, cols]
    return canvas
