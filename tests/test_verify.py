"""Rules of exactness: what verify finds, and what no result may depend on."""

from __future__ import annotations

import json

import click
import numpy as np
import pytest
import torch
from fakes import FakeReader, PaintModel
from geounet.cli.kinds import SIZE
from geounet.cli.main import main
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from geounet.backends.torch import TorchStep
from geounet.card import ModelCard
from geounet.grid import TileGrid
from geounet.halo import EXACT, TOLERANCE
from geounet.model import Segmenter, save_model
from geounet.networks.field import receptive_field
from geounet.networks.registry import build
from geounet.plan import Plan, PlanOptions
from geounet.predict import PredictOptions
from geounet.seams import HALOS, measure_seams
from geounet.verify import choose_windows, tiled, untiled, verify
from geounet.walk import Walk


class Blur(PaintModel):
    """A model that sees its four neighbours within the tile, whatever its card says."""

    def __init__(self, field):
        """Claim a receptive field."""
        super().__init__()
        self.card = ModelCard(**{**vars(self.card), "receptive_field": field})

    def __call__(self, pixels, valid):
        p = super().__call__(pixels, valid)["probability"]
        rolled = [np.roll(p, by, axis) for by in (1, -1) for axis in (2, 3)]
        return {"probability": np.mean([p, *rolled], axis=0, dtype=np.float32)}


@pytest.fixture
def noise(make_raster):
    """A raster of noise, with a corner that has no data."""
    pixels = np.random.default_rng(2).integers(1, 255, (300, 410)).astype(np.uint8)
    pixels[:60, :90] = 0
    return make_raster(pixels, nodata=0)


def options(model, **plan):
    """Predict on the raster's own grid."""
    return PredictOptions(model=model, gsd="native", plan=PlanOptions(**plan))


@pytest.mark.parametrize("model", [PaintModel(), Blur(1)])
def test_a_field_that_is_covered_is_exact(noise, model):
    """With a halo that covers what the model sees, nothing differs."""
    verdict = verify(noise, options(model, tile=64), windows=12)
    assert verdict.max_difference == verdict.uint8_share == verdict.mask_share == 0
    assert (verdict.holds, verdict.exact, verdict.bound) == (True, True, EXACT)
    assert 0 < verdict.pixels <= 12 * 128 * 128


def test_a_model_that_sees_farther_than_its_card_says_is_found_out(noise):
    """The largest difference lies at the border of a tile's core, and the verdict says no."""
    verdict = verify(noise, options(Blur(0), tile=64), windows=4)
    assert not verdict.holds
    assert verdict.max_difference > 0.05
    assert {verdict.row % 64, verdict.col % 64} & {0, 63}
    assert verdict.mask_share > 0
    assert "is not the untiled one" in verdict.sentence
    assert (verdict.x, verdict.y) == (
        500_000 + 0.5 * (verdict.col + 0.5),
        5_000_000 - 0.5 * (verdict.row + 0.5),
    )


def test_blended_tiles_are_held_to_one_step(noise):
    """Where nothing is promised the bar is 1/255."""
    verdict = verify(noise, options(Blur(1), tile=64, blend="hann"), windows=2)
    assert (verdict.bound, verdict.exact) == (TOLERANCE, False)


def test_a_raster_without_data_is_no_proof(make_raster):
    """Nothing compared is nothing proved."""
    empty = make_raster(np.zeros((70, 70), np.uint8), nodata=0)
    verdict = verify(empty, options(PaintModel(), tile=64), windows=2)
    assert (verdict.holds, verdict.pixels) == (False, 0)
    assert "no window has data" in verdict.sentence


@pytest.fixture(scope="module")
def unet():
    """A U-Net with random weights, sharpened so that its output is not flat."""
    torch.manual_seed(4)
    network = build("unet", {"stem": 4, "filters": (4, 8), "convolutions": 1}).eval()
    torch.nn.init.normal_(network.head.weight, std=3)
    field = receptive_field(network, 3)
    card = ModelCard(name="t", network="unet", stride=network.stride, receptive_field=field)
    return TorchStep(Segmenter(card, network), device="cpu", precision="fp32", threads=1)


def walk_of(step, pixels, tile, *, batch=1, band=10**6):
    """A walk over an array with the halo that covers the field."""
    card = step.card
    halo = -(-card.receptive_field // card.stride) * card.stride
    grid = TileGrid.cover(
        pixels.shape[1:], tile=2 * halo + tile, halo=halo, align=card.stride, band_width=band
    )
    plan = Plan(grid=grid, blend="crop", level=128, classes=1, batch_size=batch)
    return Walk(plan, FakeReader(pixels), step)


def test_the_untiled_pass_of_a_window_is_that_of_the_whole_raster(unet):
    """Context beyond the receptive field changes nothing, nor does the window's place."""
    pixels = np.random.default_rng(1).integers(0, 255, (3, 90, 130), dtype=np.uint8)
    walk = walk_of(unet, pixels, 40)
    p, _ = untiled(walk, Window(0, 0, 130, 90))
    for window in choose_windows(walk, 4, 3):
        q, valid = untiled(walk, window)
        assert valid.all()
        assert np.abs(q - p[(slice(None), *window.toslices())]).max() <= EXACT


@given(st.data())
@settings(max_examples=12, deadline=None)
def test_nothing_depends_on_tile_batch_band_or_where_the_work_began(unet, data):
    """Every tile, batch and band gives the same numbers, cell by cell in any order."""
    shape = data.draw(st.tuples(st.integers(1, 70), st.integers(1, 90)))
    seed = data.draw(st.integers(0, 9))
    pixels = np.random.default_rng(seed).integers(0, 255, (3, *shape), dtype=np.uint8)
    expected = _joined(walk_of(unet, pixels, 96), None)
    tile = 4 * data.draw(st.integers(1, 12))
    batch, band = data.draw(st.integers(1, 3)), data.draw(st.sampled_from([1, 30, 10**6]))
    found = _joined(walk_of(unet, pixels, tile, batch=batch, band=band), data.draw(st.randoms()))
    assert np.abs(found - expected).max() <= EXACT


def _joined(walk, chance):
    """All cells, each run alone and in a shuffled order, or band by band without one."""
    grid = walk.plan.grid
    out = np.full((1, *grid.shape), np.nan, np.float32)
    runs = [[cell] for cell in grid.cells()]
    if chance is not None:
        chance.shuffle(runs)
    for cells in runs:
        for sums in walk.summed(cells):
            cell, p = sums.probability()
            out[(slice(None), *cell.core.toslices())] = p
    return out


def test_only_what_touches_a_window_is_read(unet):
    """A raster of any size costs a few tiles a window."""
    pixels = np.zeros((3, 700, 900), np.uint8)
    walk = walk_of(unet, pixels, 100)
    for window in choose_windows(walk, 3, 0):
        walk.reader.asked.clear()
        tiled(walk, window)
        untiled(walk, window)
        assert sum(one.width * one.height for one in walk.reader.asked) < pixels[0].size / 2


def test_seams_vanish_where_the_halo_covers_the_field(unet):
    """What is measured falls to rounding once nothing is cut off, and is more where it is."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (3, 140, 130), dtype=np.uint8)
    found = measure_seams(unet, [image])
    assert list(found) == [str(halo) for halo in HALOS]
    assert max(found.values()) <= EXACT


def test_seams_are_found_where_context_is_cut_off():
    """A model that takes the tile's mean is never under the tolerance."""

    class Mean(PaintModel):
        def __call__(self, pixels, valid):
            p = super().__call__(pixels, valid)["probability"]
            return {"probability": p / 2 + p.mean((2, 3), keepdims=True) / 2}

    image = np.linspace(0, 255, 300 * 300).reshape(1, 300, 300).astype(np.uint8)
    found = measure_seams(Mean(stride=64), [image])
    assert list(found) == ["64", "128", "192", "256", "320", "384"]
    assert min(found.values()) > TOLERANCE


@pytest.fixture
def model(tmp_path):
    """A point-wise model on disk."""
    torch.manual_seed(0)
    path = tmp_path / "m.safetensors"
    card = ModelCard(name="m", network="pointwise", receptive_field=0)
    save_model(path, Segmenter(card, build("pointwise", {})))
    return path


def test_the_command_prints_a_verdict_and_one_object(make_raster, model, capsys):
    """Exit code 0 within the bound; --json has the names of the interface."""
    raster = make_raster(np.full((3, 80, 90), 90, np.uint8))
    words = ["verify", str(raster), "-m", str(model), "--gsd", "native", "--windows", "2", "-q"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["max_difference"] <= EXACT
    assert (found["windows"], found["halo"], found["receptive_field"]) == (2, 0, 0)
    assert main(words) == 0
    assert "equals the untiled one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("2g", 2 * 10**9), ("1.5GiB", 3 * 2**29), ("500 M", 5 * 10**8),
     ("64KiB", 2**16), ("1024", 1024), ("7b", 7)],
)  # fmt: skip
def test_memory_is_read_as_people_write_it(text, size):
    """Thousands without an i, 1,024s with one."""
    assert SIZE.convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "GB", "-2GB", "2 apples", "0", "2ib", "nan", "1e9", "2GBB"])
def test_what_is_no_memory_is_refused(text):
    """One line names some that are."""
    with pytest.raises(click.BadParameter, match="try 2GB or 1500MiB"):
        SIZE.convert(text, None, None)
