"""Rules of the scene's own black and white: one statistic a scene, never one a tile."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import rasterio
import torch
from fakes import FakeReader
from torch import nn

from geounet import spans
from geounet.backends.load import load
from geounet.card import ModelCard
from geounet.errors import ModelError, RasterError
from geounet.model import Segmenter
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, predict
from geounet.spans import Statistic, at_scene, by_scene, scene_statistic
from geounet.training.dataset import open_dataset
from geounet.training.finish import golden_chip
from geounet.training.pictures import _parts
from geounet.training.recipe import Scaling
from geounet.training.sampler import make_sampler
from geounet.training.sheet import Sheet
from geounet.training.shown import Shown

SCENE = np.random.default_rng(5).integers(40, 3000, (3, 70, 90)).astype(np.uint16)


def brightness(scaling):
    """A model whose probability is the first band, scaled as its card says."""

    class First(nn.Module):
        def forward(self, x):
            return torch.logit(x[:, :1].clamp(0.01, 0.99))

    plain = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    card = ModelCard(name="first", network="none", scaling=scaling, receptive_field=0, **plain)
    return Segmenter(card, First().eval())


EXPECTED = {
    "max": (0.0, float(SCENE.max())),
    "minmax": (float(SCENE.min()), float(SCENE.max())),
    "l2": (0.0, float(np.sqrt(np.mean(SCENE.astype(float) ** 2)))),
}


@pytest.mark.parametrize("scaling", EXPECTED)
def test_a_statistic_is_that_of_all_valid_pixels(scaling, monkeypatch):
    """However the scene is cut into strips, and without its nodata."""
    valid = np.ones((70, 90), bool)
    valid[:9] = False
    shown = SCENE.copy()
    shown[:, :9] = 65_000
    inside = SCENE[:, 9:].astype(float)
    expected = {"max": (0, inside.max()), "minmax": (inside.min(), inside.max()),
                "l2": (0, np.sqrt(np.mean(inside**2)))}[scaling]  # fmt: skip
    for budget in (2**22, 1):
        monkeypatch.setattr(spans, "BUDGET", budget)
        reader = FakeReader(shown, valid)
        assert scene_statistic(reader).span(scaling) == pytest.approx(expected, rel=1e-12)
    assert len(reader.asked) > 1


def test_a_scene_of_one_value_is_black_and_one_without_data_is_refused():
    """A flat scene has a span all the same; nothing is divided by nothing."""
    flat = Statistic(low=7, high=7, squares=49, count=1)
    assert flat.span("minmax") == (7, 8)
    with pytest.raises(RasterError, match="no valid pixel"):
        scene_statistic(FakeReader(SCENE, np.zeros((70, 90), bool)))


@pytest.mark.parametrize("scaling", EXPECTED)
def test_a_prediction_does_not_depend_on_its_tiles(scaling, make_raster, tmp_path):
    """Every tile size gives the bytes of the whole scene scaled at once, of 16 bits, too."""
    raster = make_raster(SCENE)
    low, high = EXPECTED[scaling]
    found = []
    for tile in (16, 32, 128):
        out = tmp_path / f"{tile}.gpkg"
        options = PredictOptions(
            model=brightness(scaling), plan=PlanOptions(tile=tile, halo=0), gsd="native",
            backend="torch", device="cpu", probability=tmp_path / f"{tile}.tif",
        )  # fmt: skip
        predict(raster, out, options)
        with rasterio.open(tmp_path / f"{tile}.tif") as file:
            found.append(file.read(1))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    whole = np.clip((SCENE[0] - low) / (high - low), 0.01, 0.99) * 254
    assert np.abs(found[0] - whole + 0.5).max() <= 0.51  # a probability is rounded down


def test_a_scale_that_the_user_names_is_used_instead():
    """With --scale nothing is asked of the scene."""
    asked = load(brightness("max"), (0.0, 1000.0))
    assert not by_scene(asked)
    assert asked.card.input_range == (0, 1000)
    assert by_scene(load(brightness("max")))


def test_each_model_of_an_ensemble_has_its_own_scaling():
    """One by the scene's largest value, the other by its fixed range."""
    both = load((brightness("max"), brightness("fixed")))
    assert by_scene(both)
    parts = at_scene(both, FakeReader(SCENE)).models
    assert [part.card.input_range for part in parts] == [EXPECTED["max"], (0, 255)]


@pytest.mark.parametrize("size", [None, 70])
def test_pixels_are_scaled_alike_in_training(size):
    """A batch holds 255 times what prediction feeds the network, of chips and of whole images."""
    low, high = EXPECTED["minmax"]
    square = SCENE[:, :70, :70]
    every = np.ones((70, 70), bool)
    sheet = Sheet(
        name="a", place="a", split="train", image=square, mask=every, valid=every, gsd=0.3,
        weight=1.0, span=(low, high),
    )  # fmt: skip
    shown = Shown(scaling="minmax", size=size, chip=70, gsd_range=(0.3, 0.3), augment={}, blank=0)
    images = make_sampler([sheet], shown, 0).batch(0).images
    scaled = (square.astype(np.float32) - low) / (high - low)
    assert np.allclose(images[0].numpy() / 255, scaled, atol=1e-6)


def test_wide_pixels_are_shown_as_bytes():
    """Golden tile and pictures of 16 bits go from black to white, where they would wrap around."""
    ramp = np.tile(np.linspace(1000, 5000, 256).astype(np.uint16), (3, 256, 1))
    every = np.ones((256, 256), bool)
    sheet = Sheet(
        name="a", place="a", split="train", image=ramp, mask=every, valid=every, gsd=0.3,
        weight=1.0, span=(1000, 5000),
    )  # fmt: skip
    shown = _parts(sheet, every.astype(np.uint8))[0]
    for rising in (golden_chip(sheet, 0.3)[0, 0], shown[0, :, 0]):
        assert (rising[0], rising[-1]) == (0, 255)
        assert (np.diff(rising.astype(int)) >= 0).all()


def test_fractions_stay_fractions():
    """A sheet of floats that is finer than all chips is made coarser, but not rounded."""
    image = np.full((3, 64, 64), 0.25, np.float32)
    every = np.ones((64, 64), bool)
    sheet = Sheet(
        name="a", place="a", split="train", image=image, mask=every, valid=every, gsd=0.1,
        weight=1.0, span=(0, 1),
    )  # fmt: skip
    shown = Shown(chip=16, gsd_range=(0.3, 0.3), augment={}, blank=0)
    assert torch.allclose(make_sampler([sheet], shown, 0).batch(0).images, torch.tensor(63.75))


@pytest.mark.parametrize("scaling", EXPECTED)
def test_training_shows_what_prediction_shows(scaling, make_raster, tmp_path):
    """A sheet's span is that of the scene it is a window of; pixels of it are scaled alike."""
    for sub, array in (("images", SCENE), ("masks", (SCENE[0] > 900).astype(np.uint8))):
        (tmp_path / sub).mkdir()
        make_raster(array, name=f"{sub}/one.tif")
    shown = Shown(scaling=scaling)
    sheets = open_dataset(tmp_path, shown).sheets
    assert len(sheets) > 2
    assert len({sheet.span for sheet in sheets}) == 1
    assert sheets[0].span == pytest.approx(EXPECTED[scaling])
    assert shown.card["scaling"] == scaling


def test_chips_of_one_scene_share_its_statistic(make_raster, tmp_path):
    """A manifest that names the scene scales its chips as the whole, others each by itself."""
    for sub in ("images", "masks"):
        (tmp_path / sub).mkdir()
    for at in range(2):
        make_raster(SCENE[:, :, 45 * at : 45 * at + 45], name=f"images/{at}.tif")
        make_raster(np.zeros((70, 45), np.uint8), name=f"masks/{at}.tif")
    text = """[[set]]
    name = "a"
    split = "train"
    images = "images/*"
    labels = "masks"
    """
    for scene, count in (('scene = "whole"', 1), ("", 2)):
        (tmp_path / "dataset.toml").write_text(text + scene)
        found = {sheet.span for sheet in open_dataset(tmp_path, Shown(scaling="l2")).sheets}
        assert len(found) == count
    assert next(iter(found)) != EXPECTED["l2"]


def test_a_card_knows_its_scaling():
    """An unknown word is refused; every word of a recipe is one of a card."""
    with pytest.raises(ModelError, match="scaling is 'mean'; known: fixed, max"):
        ModelCard(name="x", network="unet", scaling="mean")
    for scaling in get_args(Scaling):
        card = ModelCard(name="x", network="unet", **Shown(scaling=scaling).card)
        assert ModelCard.from_json(card.to_json()) == card
