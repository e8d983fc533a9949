"""Rules of the tile grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from strategies import grids

from geounet.errors import GridError
from geounet.grid import TileGrid


def count(windows, shape):
    """How often each pixel is covered."""
    covered = np.zeros(shape, int)
    for window in windows:
        covered[window.toslices()] += 1
    return covered


@given(grids())
def test_cores_partition_the_raster(drawn):
    """Every pixel belongs to exactly one core."""
    shape, numbers = drawn
    grid = TileGrid.cover(shape, **numbers)
    assert (count((tile.core for tile in grid), shape) == 1).all()


@given(grids())
def test_cells_partition_the_raster_and_the_tiles(drawn):
    """Every pixel belongs to one cell, and a cell is made of its tiles' cores."""
    shape, numbers = drawn
    grid = TileGrid.cover(shape, **numbers)
    cells = list(grid.cells())
    assert (count((cell.core for cell in cells), shape) == 1).all()
    for cell in cells:
        cores = [grid.at(cell.row, col).core for col in cell.cols]
        assert (count(cores, shape) == count([cell.core], shape)).all()


@given(grids())
def test_a_read_window_contains_its_core_and_the_halo(drawn):
    """A tile is read with the halo on each side and has one size."""
    shape, numbers = drawn
    for tile in TileGrid.cover(shape, **numbers):
        assert tile.read.width == tile.read.height == numbers["tile"]
        assert tile.core.row_off - tile.read.row_off == numbers["halo"]
        assert tile.core.col_off - tile.read.col_off == numbers["halo"]
        end = tile.read.row_off + tile.read.height
        assert end >= tile.core.row_off + tile.core.height + numbers["halo"]


@given(grids())
def test_origins_stay_on_the_stride(drawn):
    """Read windows begin at multiples of the network's total stride."""
    shape, numbers = drawn
    for tile in TileGrid.cover(shape, **numbers):
        assert tile.read.row_off % numbers["align"] == 0
        assert tile.read.col_off % numbers["align"] == 0


@given(grids())
def test_it_is_a_sequence(drawn):
    """Tiles are numbered row by row, from the front and from the back."""
    shape, numbers = drawn
    grid = TileGrid.cover(shape, **numbers)
    assert len(list(grid)) == len(grid) == grid.rows * grid.cols
    assert grid[-1] == grid[len(grid) - 1]
    assert grid[:2] == list(grid)[:2]
    with pytest.raises(IndexError):
        grid[len(grid)]


@pytest.mark.parametrize(
    ("tile", "halo", "words"),
    [
        (0, 0, "tile must be a positive multiple of 32, got 0; try 32"),
        (500, 32, "got 500; try 512"),
        (512, 10, "halo must be a multiple of 32 from 0 up, got 10; try 32"),
        (512, -32, "got -32; try 0"),
        (128, 64, "the smallest tile that has is 160"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_with_some_that_do(tile, halo, words):
    """An error names a value that would work."""
    with pytest.raises(GridError, match=words):
        TileGrid.cover((100, 100), tile=tile, halo=halo, align=32)


def test_an_empty_raster_is_refused():
    """A grid needs at least one pixel."""
    with pytest.raises(GridError, match="at least one pixel"):
        TileGrid.cover((0, 5), tile=8, halo=0)
