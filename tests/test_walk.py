"""Rules of rows, batches, blending and the walk over cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import FakeReader, PaintModel
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import grids, images

from geounet.backends.torch import TorchStep
from geounet.blend import BLENDS, gaussian, hann, weights_of
from geounet.card import ModelCard
from geounet.errors import DeviceMemoryError, ModelError, OptionError
from geounet.grid import TileGrid
from geounet.model import Segmenter
from geounet.networks.field import receptive_field
from geounet.networks.registry import build
from geounet.plan import Plan
from geounet.quantise import quantise
from geounet.rows import RowSource, mirrored
from geounet.stitch import Blender
from geounet.walk import Walk


def walked(reader, step, grid, *, blend="crop", batch=3, bands=None):
    """Run the walk over whole bands and put the cells together."""
    plan = Plan(grid=grid, blend=blend, level=128, classes=step.classes, batch_size=batch)
    walk = Walk(plan, reader, step)
    out = np.full((step.classes, *grid.shape), 77, np.uint8)
    for band in range(len(grid.bands)) if bands is None else bands:
        cells = [grid.cell(row, band) for row in range(grid.rows)]
        for cell, q in walk.blended(cells):
            out[(slice(None), *cell.core.toslices())] = q
    return out, walk


@given(st.data(), grids(), st.sampled_from(sorted(BLENDS)), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_a_pointwise_model_gives_the_painted_raster_back(data, drawn, blend, batch):
    """Whatever tile, halo, batch, band and blend: the same quantised raster."""
    shape, numbers = drawn
    pixels = data.draw(images(shape))
    grid = TileGrid.cover(shape, **numbers)
    out, _ = walked(FakeReader(pixels), PaintModel(), grid, blend=blend, batch=batch)
    assert (out == quantise(pixels / np.float32(255))).all()


@given(st.data(), grids(largest=40), st.sampled_from(sorted(BLENDS)))
@settings(max_examples=60, deadline=None)
def test_nodata_stays_nodata_and_changes_nothing_else(data, drawn, blend):
    """A pixel is 255 exactly where the raster has no data."""
    shape, numbers = drawn
    pixels, valid = data.draw(images(shape)), data.draw(images(shape))[0] > 100
    grid = TileGrid.cover(shape, **numbers)
    out, _ = walked(FakeReader(pixels, valid), PaintModel(), grid, blend=blend)
    assert (out[0] == np.where(valid, quantise(pixels / np.float32(255))[0], 255)).all()


@given(st.data(), grids(largest=40), st.sampled_from(sorted(BLENDS)))
@settings(max_examples=60, deadline=None)
def test_a_cell_does_not_depend_on_where_the_run_began(data, drawn, blend):
    """Each cell computed alone equals the cell of the whole walk, for a model with context."""
    shape, numbers = drawn
    grid = TileGrid.cover(shape, **numbers)
    reader = FakeReader(data.draw(images(shape)))
    whole, walk = walked(reader, Smear(), grid, blend=blend)
    for cell in grid.cells():
        ((_, q),) = walk.blended([cell])
        assert (q == whole[(slice(None), *cell.core.toslices())]).all()


@given(st.data(), grids(largest=40), st.sampled_from(sorted(BLENDS)), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_a_pixel_is_the_weighted_mean_of_the_tiles_that_touch_it(data, drawn, blend, classes):
    """Stitched float32 cells agree with sums over whole rasters in float64."""
    shape, numbers = drawn
    grid = TileGrid.cover(shape, **numbers)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    maps = [rng.random((classes, grid.tile, grid.tile), np.float32) for _ in grid]
    band = data.draw(st.integers(0, len(grid.bands) - 1))
    cells = [grid.cell(row, band) for row in range(grid.rows)]
    weights = weights_of(blend)
    blender = Blender(grid, cells, classes, weights)
    whole, total = (np.zeros((classes, *(n + 2 * grid.tile for n in shape))) for _ in range(2))
    profile = np.zeros(grid.tile) if weights is None else weights(grid.tile).astype(float)
    profile[grid.halo : grid.tile - grid.halo] += weights is None
    reach = 0 if weights is None else grid.reach
    found = []
    for tile, values in zip(grid, maps, strict=True):
        top, left = (int(at) + grid.tile for at in (tile.read.row_off, tile.read.col_off))
        place = slice(None), slice(top, top + grid.tile), slice(left, left + grid.tile)
        whole[place] += values * np.outer(profile, profile)
        total[place] += np.outer(profile, profile)
        own = grid.bands[band]
        if own.start - reach <= tile.col < own.stop + reach:
            blender.add(tile, values, np.ones((grid.tile, grid.tile), bool))
        if tile.col == grid.cols - 1:
            found += [sums.probability() for sums in blender.finished(tile.row)]
    inner = [slice(grid.tile, grid.tile + n) for n in shape]
    expected = whole[:, *inner] / total[:, *inner]
    assert [cell for cell, _ in found] == cells
    for cell, p in found:
        np.testing.assert_allclose(p, expected[:, *cell.core.toslices()], atol=2e-6)


class Smear(PaintModel):
    """A model that sees its four neighbours within the tile."""

    def __call__(self, pixels, valid):
        p = super().__call__(pixels, valid)["probability"]
        rolled = [np.roll(p, by, axis) for by in (1, -1) for axis in (2, 3)]
        return {"probability": np.mean([p, *rolled], axis=0, dtype=np.float32)}


@given(st.integers(1, 30), st.integers(0, 40), st.integers(-90, 0), st.integers(1, 150))
def test_the_mirror_is_numpys(extent, halo, start, length):
    """Beyond the edge stands what numpy's pad calls reflect, or symmetric for a small raster."""
    mode = "symmetric" if extent <= halo else "reflect"
    padded = np.pad(np.arange(extent), (90, 150), mode=mode)
    assert (mirrored(start, length, extent, halo) == padded[90 + start :][:length]).all()


def test_each_row_is_read_once_in_order():
    """A raster of several rows of tiles is decoded once, top to bottom."""
    reader = FakeReader(np.zeros((1, 100, 40), np.uint8))
    walked(reader, PaintModel(), TileGrid.cover((100, 40), tile=24, halo=4))
    tops = [window.row_off for window in reader.asked]
    assert tops == sorted(tops)
    assert sum(window.height for window in reader.asked) == 100


def test_batches_have_one_shape_and_empty_tiles_are_skipped():
    """The last batch is filled up, and a tile without data costs nothing."""
    pixels = np.full((1, 20, 100), 200, np.uint8)
    valid = np.ones((20, 100), bool)
    valid[:, 40:] = False
    model = PaintModel()
    grid = TileGrid.cover((20, 100), tile=20, halo=0)
    _, walk = walked(FakeReader(pixels, valid), model, grid, batch=4)
    assert model.shapes == {(4, 1, 20, 20)}
    assert (walk.tally.tiles, walk.tally.skipped) == (2, 3)


class Small(PaintModel):
    """A device with room for two tiles."""

    def __init__(self, error=DeviceMemoryError):
        """Raise an error when it is full."""
        super().__init__()
        self.error = error

    def __call__(self, pixels, valid):
        if len(pixels) > 2:
            raise self.error("full")
        return super().__call__(pixels, valid)


@pytest.mark.parametrize("error", [DeviceMemoryError, MemoryError])
def test_a_full_device_halves_the_batch(error, monkeypatch):
    """Out of memory, of a device or our own: the batch is halved until it fits, said once."""
    said = []
    monkeypatch.setattr("geounet.infer.log.warning", lambda text, *words: said.append(text % words))
    pixels = np.arange(200, dtype=np.uint8).reshape(1, 10, 20)
    grid = TileGrid.cover((10, 20), tile=2, halo=0)
    model = Small(error)
    out, _ = walked(FakeReader(pixels), model, grid, batch=8)
    assert (out == quantise(pixels / np.float32(255))).all()
    assert {shape[0] for shape in model.shapes} == {2}
    assert said == ["memory was short; going on with batches of 2"]


def test_a_device_without_room_for_one_tile_is_an_error():
    """At a batch of one there is nothing left to halve."""

    class Full(PaintModel):
        def __call__(self, pixels, valid):
            raise DeviceMemoryError("full")

    grid = TileGrid.cover((10, 20), tile=5, halo=0)
    with pytest.raises(DeviceMemoryError, match="try a smaller --tile"):
        walked(FakeReader(np.zeros((1, 10, 20), np.uint8)), Full(), grid, batch=4)


def test_a_value_that_is_not_finite_is_an_error():
    """A network that gives NaN on valid pixels never yields a silent hole."""

    class Broken(PaintModel):
        def __call__(self, pixels, valid):
            return {"probability": np.full((len(pixels), 1, 5, 5), np.nan, np.float32)}

    grid = TileGrid.cover((10, 20), tile=5, halo=0)
    with pytest.raises(ModelError, match="not finite"):
        walked(FakeReader(np.zeros((1, 10, 20), np.uint8)), Broken(), grid)


@pytest.mark.parametrize("profile", [hann, gaussian])
def test_weights_are_symmetric_and_above_zero(profile):
    """A pixel at the raster's edge has a weight."""
    weights = profile(64)
    assert (weights > 0).all()
    assert np.allclose(weights, weights[::-1])


def test_an_unknown_blend_is_refused():
    """The message names the known ones."""
    with pytest.raises(OptionError, match="known: crop, hann, gaussian, average"):
        weights_of("feather")


@pytest.fixture(scope="module")
def small_unet():
    """A U-Net with random weights, sharpened so that its output is not flat."""
    torch.manual_seed(3)
    network = build("unet", {"stem": 4, "filters": (4, 8), "convolutions": 1}).eval()
    torch.nn.init.normal_(network.head.weight, std=3)
    field = receptive_field(network, 3)
    card = ModelCard(name="t", network="unet", stride=network.stride, receptive_field=field)
    step = TorchStep(Segmenter(card, network), device="cpu")
    step.classes = 1
    return step, card


@pytest.mark.parametrize("shape", [(61, 90), (1, 1), (7, 40), (64, 3)])
@pytest.mark.parametrize("extra", [0, 24])
def test_tiled_equals_untiled(small_unet, shape, extra):
    """With a halo that covers the receptive field, tiles give what one pass gives."""
    step, card = small_unet
    halo = -(-card.receptive_field // card.stride) * card.stride
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 255, (3, *shape), dtype=np.uint8)
    valid = rng.random(shape) < 0.9
    ends = [halo + extent + halo + -extent % card.stride for extent in shape]
    rows, cols = (mirrored(-halo, end, n, halo) for end, n in zip(ends, shape, strict=True))
    whole = step(pixels[:, rows][:, :, cols][None], valid[np.ix_(rows, cols)][None])
    p = whole["probability"][0, :, halo : halo + shape[0], halo : halo + shape[1]]
    grid = TileGrid.cover(shape, tile=2 * halo + 8 + extra, halo=halo, align=card.stride)
    out, _ = walked(FakeReader(pixels, valid), step, grid)
    assert (out[0] == np.where(valid, quantise(p)[0], 255)).all()


def test_rows_behind_are_let_go():
    """Memory holds the rows of one row of tiles, not the raster."""
    reader = FakeReader(np.zeros((1, 500, 10), np.uint8))
    grid = TileGrid.cover((500, 10), tile=20, halo=5)
    source = RowSource(reader, grid, range(grid.cols), range(grid.rows))
    for row in range(grid.rows):
        source.load(row)
        assert source._have.data.shape[1] <= 20
    source.close()
