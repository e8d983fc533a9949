"""A contact sheet: image, mask, overlay and masked image side by side, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

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

    from geounet.reader import Reader

_Item = TypeVar("_Item")

ROWS = 12
"""Images shown at most, spread evenly over all."""

EDGE = 256
"""Longest side of a picture."""

_GAP = 8
_DARK = 40


def write_sheet(path: Path, pairs: Sequence[tuple[str, Path]]) -> list[str]:
    """Write the sheet as a PNG; return the images shown, from top to bottom.

    Args:
        path: of the sheet.
        pairs: each image with its class raster.
    """
    shown = spread(pairs)
    write_rows(path, [_parts(image, mask) for image, mask in shown])
    return [image for image, _ in shown]


def spread(items: Sequence[_Item]) -> list[_Item]:
    """Return as many items as a sheet has rows, evenly over all."""
    step = max(len(items) / ROWS, 1)
    return [items[int(at * step)] for at in range(min(ROWS, len(items)))]


def write_rows(path: Path, rows: Sequence[Sequence[NDArray[np.uint8]]]) -> None:
    """Write a PNG of rows of pictures; small ones are enlarged.

    Args:
        path: of the sheet.
        rows: pictures `(height, width, 3)` of 256 pixels at most, as many and as large in a row.
    """
    with staged(path) as temporary:
        whole = np.concatenate([_row(parts) for parts in rows])
        temporary.write_bytes(picture(whole, "PNG", zlevel=6))


def overlaid(image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image with its classes in colour: filled faintly, their edges full."""
    colours = _colours()[labels]
    inner = labels != 0
    mixed = np.where(inner[..., None], image // 3 * 2 + colours // 3, image).astype(np.uint8)
    return np.where(_edges(labels)[..., None], colours, mixed)


def _parts(image: str, mask: Path) -> Sequence[NDArray[np.uint8]]:
    """Image, mask, overlay and masked image."""
    with open_raster(image, indexed=True) as reader:
        pixels = preview(reader, EDGE).pixels
    with open_raster(mask, indexed=True) as reader:
        labels = _sampled(reader, pixels.shape[:2])
    plain = np.where((labels != 0)[..., None], _colours()[labels], np.uint8(245))
    masked = np.where((labels != 0)[..., None], pixels, np.uint8(_DARK))
    return pixels, plain, overlaid(pixels, labels), masked


def _row(parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    high, wide = parts[0].shape[:2]
    times = max(EDGE // max(high, wide), 1)  # chips are small
    high, wide = times * high, times * wide
    row = np.full((high + _GAP, len(parts) * (EDGE + _GAP), 3), 255, np.uint8)
    for at, part in enumerate(parts):
        left = at * (EDGE + _GAP) + _GAP // 2
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
