"""The rasters that are measured on, and what the known answer on them is."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window

from geounet.raster import open_raster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK = 512
GSD = 0.3
NULL_WEIGHTS, NULL_BIAS = (5.0, -4.0, 2.0), -1.0
"""The known answer: sigmoid of a weighted sum of the bands as 0-1."""
TOLERANCE = 1.01 / 254
"""A contestant may round a probability to uint8 as it likes."""


def draw_null(path: Path, size: int) -> None:
    """Write RGB DEFLATE pixels 1-255 of which no block equals another."""
    rng = np.random.default_rng(0)
    grain = rng.integers(0, 6, (3, BLOCK, BLOCK))
    waves = 40 * np.sin(np.arange(BLOCK) / rng.uniform(20, 60, (3, 1)))
    base = grain + (waves[:, :, None] + waves[:, None, ::-1] + 80).astype(int)
    with _create(path, size) as file:
        for window in blocks(size):
            turn = (window.row_off * 7 + window.col_off * 3) // BLOCK
            block = 1 + (np.roll(base, turn * 5, axis=2) + turn * 11) % 255
            file.write(block[:, : window.height, : window.width].astype(np.uint8), window=window)


def draw_real(path: Path, size: int, source: Path) -> None:
    """Write a raster at the model's GSD: a source, resampled once and mirrored to the size."""
    with closing(open_raster(source)) as reader:
        gsd = reader.info.gsd or GSD
    with rasterio.open(source) as file:
        shape = [max(round(length * gsd / GSD), 1) for length in file.shape]
        image = file.read((1, 2, 3), out_shape=(3, *shape), resampling=Resampling.average)
    whole = np.pad(image, ((0, 0), (0, size), (0, size)), mode="symmetric")
    with _create(path, size) as file:
        file.write(whole[:, :size, :size])


def blocks(size: int) -> Iterator[Window]:
    """Yield the windows of a square raster's blocks, row by row."""
    for row in range(0, size, BLOCK):
        for col in range(0, size, BLOCK):
            yield Window(col, row, min(BLOCK, size - col), min(BLOCK, size - row))


def wrong_pixels(raster: Path, result: Path, step: float) -> int:
    """Return how many pixels of a `null` result are not what they must be."""
    wrong = 0
    with rasterio.open(raster) as source, rasterio.open(result) as file:
        if source.shape != file.shape:
            return source.height * source.width
        for window in blocks(source.height):
            known = _known(source.read(window=window))
            found = file.read(1, window=window).astype(np.float32) * step
            wrong += int((~(np.abs(found - known) <= TOLERANCE)).sum())
    return wrong


def _known(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    logits = np.tensordot(np.float32(NULL_WEIGHTS), pixels.astype(np.float32) / 255, 1)
    known: NDArray[np.float32] = 1 / (1 + np.exp(-logits - NULL_BIAS))
    return known


def _create(path: Path, size: int) -> rasterio.io.DatasetWriter:
    return rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=3, dtype="uint8",
        crs="EPSG:32633", transform=rasterio.Affine(GSD, 0, 500_000, 0, -GSD, 5_000_000),
        tiled=True, blockxsize=BLOCK, blockysize=BLOCK, compress="deflate", predictor=2,
        photometric="rgb",
    )  # fmt: skip
