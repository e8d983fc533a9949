"""The map as a raster on the image's grid, and as a picture over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geounet.cog import NODATA, CogWriter
from geounet.preview import picture, preview
from geounet.quantise import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.explain.scene import Cells
    from geounet.explain.task import Task
    from geounet.reader import RasterInfo, Reader

WIDEST, TALLEST = 8192, 512
"""Window that is spread over pixels at a time."""

COLOURS = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], np.float32
)
"""From none to most: black, violet, red, orange, pale yellow; the lightness rises throughout."""
FAINTEST, STRONGEST = 0.25, 0.85
"""How much of the image the colour hides where the map is 0, and where it is 1."""


def write_map(path: Path, reader: Reader, cells: Cells, task: Task) -> None:
    """Write the map on the raster's grid as a COG: 0 to 254 from least to most, 255 no data.

    Scale and offset in the file turn an activation back into what the layer gave; of Grad-CAM,
    whose unit means nothing, 1 is the most of the scene.
    """
    scale, offset = 1 / STEPS, 0.0
    if task.number is None:
        scale, offset = cells.span / STEPS, cells.low
    writer = CogWriter(
        path, info=reader.info, count=1, descriptions=(task.words,), scale=scale, offset=offset
    )
    with writer:
        for window in _windows(reader.info):
            if not reader.holds_data(window):
                continue  # what is not written is nodata
            rows, cols = (np.arange(*span) + 0.5 for span in window.toranges())
            share = cells.shares(cells.at(rows, cols))
            steps = np.rint(np.nan_to_num(share).clip(0, 1) * STEPS).astype(np.uint8)
            steps[~reader.read(window).valid] = NODATA
            writer.write(steps[None], window)


def overlay(reader: Reader, cells: Cells) -> bytes:
    """Return a PNG of the whole raster with the map over it; transparent where there is no data.

    Args:
        reader: of the image.
        cells: of the same grid.
    """
    small = preview(reader)
    rows, cols = (
        np.minimum((np.arange(count) + 0.5) * small.scale, extent - 0.5)
        for count, extent in zip(small.valid.shape, reader.info.shape, strict=True)
    )
    mixed = blended(small.pixels, cells.shares(cells.at(rows, cols)))
    alpha = np.where(small.valid, np.uint8(255), np.uint8(0))[..., None]
    return picture(np.concatenate([mixed, alpha], axis=2), "PNG")


def blended(pixels: NDArray[np.uint8], shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return an image `(height, width, 3)` with a map over it.

    Args:
        pixels: of the image.
        shares: `(height, width)` from 0 to 1; what is no number counts as 0.
    """
    share = np.nan_to_num(shares)[..., None].clip(0, 1)
    strength = FAINTEST + (STRONGEST - FAINTEST) * share
    mixed = pixels * (1 - strength) + coloured(share[..., 0]) * strength
    return mixed.round().astype(np.uint8)


def coloured(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the colour `(…, 3)` of values between 0 and 1."""
    place = share * (len(COLOURS) - 1)
    before = np.minimum(place.astype(np.int64), len(COLOURS) - 2)
    part = (place - before)[..., None]
    mixed: NDArray[np.float32] = COLOURS[before] * (1 - part) + COLOURS[before + 1] * part
    return mixed


def _windows(info: RasterInfo) -> Iterator[Window]:
    for row in range(0, info.height, TALLEST):
        for col in range(0, info.width, WIDEST):
            yield Window(col, row, min(WIDEST, info.width - col), min(TALLEST, info.height - row))
