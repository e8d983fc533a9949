"""Rules of blocks that were never written: no data, no decoding, no inference."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from fakes import PaintModel
from rasterio.windows import Window

from geounet.blocks import written_parts
from geounet.grid import TileGrid
from geounet.plan import Plan
from geounet.raster import open_raster
from geounet.walk import Walk

THERE = ((0, 0), (1, 2), (1, 3), (3, 1))
"""(row, col) of the blocks that are written."""


@pytest.fixture(params=["pixel", "band"])
def holed(request, tmp_path):
    """A 250 × 300 raster of 64² blocks of which four are written; its path and its pixels."""
    path = tmp_path / "holed.tif"
    pixels = np.zeros((2, 250, 300), np.uint8)
    rng = np.random.default_rng(3)
    with rasterio.open(
        path, "w", driver="GTiff", height=250, width=300, count=2, dtype="uint8", tiled=True,
        blockxsize=64, blockysize=64, compress="deflate", sparse_ok=True, crs="EPSG:32633",
        transform=rasterio.Affine(1, 0, 5, 0, -1, 5), interleave=request.param,
    ) as file:  # fmt: skip
        for row, col in THERE:
            at = (slice(None), slice(64 * row, 64 * row + 64), slice(64 * col, 64 * col + 64))
            part = pixels[at]
            part[:] = rng.integers(1, 255, part.shape)
            file.write(part, window=Window(64 * col, 64 * row, *part.shape[:0:-1]))
    return path, pixels


WINDOWS = [(0, 0, 300, 250), (10, 10, 30, 30), (70, 3, 40, 20), (100, 50, 150, 130), (1, 249, 9, 1)]


@pytest.mark.parametrize("window", WINDOWS)
def test_what_was_never_written_is_no_data(holed, window):
    """A read gives the written pixels, and 0 that is not valid for all others."""
    path, pixels = holed
    at = (slice(None), *Window(*window).toslices())
    with open_raster(path) as reader:
        patch = reader.read(Window(*window))
    assert (patch.data == pixels[at]).all()
    assert (patch.valid == (pixels[at] > 0).all(axis=0)).all()


@pytest.mark.parametrize("window", WINDOWS)
def test_the_parts_are_the_written_pixels(holed, window):
    """The parts of a window hold every written pixel once, and no other."""
    path, pixels = holed
    seen = np.zeros(pixels.shape[1:], int)
    with rasterio.open(path) as handle:
        for part in written_parts(handle, [1, 2], Window(*window)):
            seen[part.toslices()] += 1
    inside = np.zeros(seen.shape, bool)
    inside[Window(*window).toslices()] = True
    assert (seen == ((pixels[0] > 0) & inside)).all()


@pytest.mark.parametrize("blend", ["crop", "hann"])
def test_empty_blocks_are_not_inferred(holed, blend):
    """The network sees only tiles that touch a written block."""
    path, pixels = holed
    grid = TileGrid.cover(pixels.shape[1:], tile=64, halo=0)
    plan = Plan(grid=grid, blend=blend, level=128, classes=1, batch_size=1)
    with open_raster(path) as reader:
        walk = Walk(plan, reader, PaintModel(bands=2))
        for sums in walk.everything():
            cell, q = sums.quantised()
            assert ((q[0] == 255) == (pixels[0] == 0)[cell.core.toslices()]).all()
    assert walk.tally.tiles == len(THERE)
