"""A contact sheet: image, mask, overlay and masked image side by side, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geounet.cog import CLASS_COLOURS
from geounet.outputs import staged
from geounet.preview import picture, preview
from geounet.raster import open_raster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.raster import Reader

ROWS = 12
"""Images shown at most, spread evenly over all."""

_EDGE, _GAP = 256, 8
_DARK = 40


def write_sheet(path: Path, pairs: Sequence[tuple[str, Path]]) -> list[str]:
    """Write the sheet as a PNG; return the images shown, from top to bottom.

    Args:
        path: of the sheet.
        pairs: each image with its class raster.
    """
    step = max(len(pairs) / ROWS, 1)
    shown = [pairs[int(at * step)] for at in range(min(ROWS, len(pairs)))]
    rows = [_row(image, mask) for image, mask in shown]
    with staged(path) as temporary:
        temporary.write_bytes(picture(np.concatenate(rows), "PNG", zlevel=6))
    return [image for image, _ in shown]


def overlaid(image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image with its classes in colour: filled faintly, their edges full."""
    colours = _colours()[labels]
    inner = labels != 0
    mixed = np.where(inner[..., None], image // 3 * 2 + colours // 3, image).astype(np.uint8)
    return np.where(_edges(labels)[..., None], colours, mixed)


def _row(image: str, mask: Path) -> NDArray[np.uint8]:
    with open_raster(image, indexed=True) as reader:
        pixels = preview(reader, _EDGE).pixels
    with open_raster(mask, indexed=True) as reader:
        labels = _sampled(reader, pixels.shape[:2])
    plain = np.where((labels != 0)[..., None], _colours()[labels], np.uint8(245))
    masked = np.where((labels != 0)[..., None], pixels, np.uint8(_DARK))
    times = max(_EDGE // max(labels.shape), 1)  # chips are small
    high, wide = times * labels.shape[0], times * labels.shape[1]
    row = np.full((high + _GAP, 4 * (_EDGE + _GAP), 3), 255, np.uint8)
    for at, part in enumerate((pixels, plain, overlaid(pixels, labels), masked)):
        left = at * (_EDGE + _GAP) + _GAP // 2
        shown = part.repeat(times, axis=0).repeat(times, axis=1)
        row[_GAP // 2 :][:high, left : left + wide] = shown
    return row


def _sampled(reader: Reader, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the classes at the centres of a picture's pixels."""
    info, labels = reader.info, np.zeros(shape, np.uint8)
    rows, cols = (
        ((np.arange(count) + 0.5) * size / count).astype(int)
        for count, size in zip(shape, info.shape, strict=True)
    )
    tall = info.block_shape[0]
    for top in range(0, info.height, tall):
        here = (rows >= top) & (rows < top + tall)
        if here.any():
            window = Window(0, top, info.width, min(tall, info.height - top))
            labels[here] = reader.read(window).data[0][rows[here] - top][:, cols]
    return labels


def _edges(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels of a class that touch another one, or the background."""
    padded = np.pad(labels, 1, mode="edge")
    inner = padded[1:-1, 1:-1]
    beside = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    touching = np.logical_or.reduce([inner != other for other in beside])
    edges: NDArray[np.bool_] = touching & (labels != 0)
    return edges


def _colours() -> NDArray[np.uint8]:
    """Colour of each class; that of the background is not used."""
    colours = [CLASS_COLOURS[number % len(CLASS_COLOURS)][:3] for number in range(255)]
    return np.array([(0, 0, 0), *colours], np.uint8)
