"""Rules of datasets, chips, losses and the training loop."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from geounet.card import ModelCard
from geounet.errors import TrainingError
from geounet.halo import EXACT, tolerated
from geounet.model import Segmenter, load_model
from geounet.networks.registry import build
from geounet.training.chips import ChipSampler, sized
from geounet.training.dataset import Sheet, load_sheets, read_manifest
from geounet.training.finish import golden_chip, golden_tile, train, with_seams
from geounet.training.fit import FitOptions
from geounet.training.recipes import Recipe, recipe
from geounet.training.shown import Shown

TINY = Recipe(
    network_options={"stem": 4, "filters": (4, 8)},
    gsd_range=(0.25, 0.4),
    steps=60,
    batch_size=4,
    chip=32,
    learning_rate=2e-2,
    average=0.8,
)


def fit_nothing():
    """A segmenter of random weights."""
    network = build(TINY.network, TINY.network_options).eval()
    return Segmenter(ModelCard(name="random", network=TINY.network, stride=4), network)


def sheet(split="train", *, seed=0, place="here", size=96, gsd=0.3):
    """Bright squares on dark ground."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((size, size), bool)
    for row, col in rng.integers(0, size - 16, (8, 2)):
        mask[row : row + 14, col : col + 14] = True
    image = np.where(mask, 200, 60) + rng.integers(-20, 20, (3, size, size))
    return Sheet(
        name=f"{split}{seed}", place=place, split=split, image=image.astype(np.uint8), mask=mask,
        valid=np.ones_like(mask), gsd=gsd, weight=1.0,
    )  # fmt: skip


def test_a_chip_depends_on_seed_and_step_alone():
    """The same step gives the same batch, in whatever order steps are asked for."""
    one, two = (ChipSampler([sheet(), sheet(seed=1)], TINY, 5) for _ in range(2))
    one.batch(0)
    for ours, theirs in zip(one.batch(7), two.batch(7), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(one.batch(7)[0], one.batch(8)[0])


def test_image_and_mask_turn_together():
    """Where the picture is bright the mask is set, after every flip and crop."""
    images, masks, _ = ChipSampler([sheet(size=64)], TINY, 0).batch(3)
    bright = images.mean(1, keepdim=True)
    for picture, mask in zip(bright, masks, strict=True):
        inside, outside = mask > 0.99, mask < 0.01
        assert picture[inside].mean() > picture[outside].mean() + 10


def test_sets_are_drawn_by_weight_not_by_size():
    """A small place with the same weight is seen as often as a large one."""
    small, large = sheet(place="small", size=64), sheet(place="large", size=256)
    assert np.allclose(ChipSampler([small, large], TINY, 0)._shares, 0.5)


def test_nodata_lends_no_colour():
    """On a coarser grid the pixels at the edge of the flight keep their own value."""
    valid = np.zeros((64, 64), bool)
    valid[:, :37] = True
    image = np.where(valid, 120, 0).astype(np.uint8)[None].repeat(3, 0)
    pixels, _, shown = sized(image, valid, valid, (23, 23))
    assert torch.allclose(pixels[shown.expand_as(pixels) > 0], torch.tensor(120.0), atol=1e-3)
    assert shown.mean() == pytest.approx(37 / 64, abs=0.03)


def test_chips_end_where_the_flight_does():
    """A share of the chips is cut by a straight edge, image and mask stay what they were."""
    cut = ChipSampler([sheet()], replace(TINY, blank=1.0), 3).batch(0)
    whole = ChipSampler([sheet()], replace(TINY, blank=0.0), 3).batch(0)
    assert whole.valid.all()
    assert all(0 < chip.mean() <= 1 for chip in cut.valid)
    assert (cut.valid.mean((1, 2, 3)) < 1).any()
    assert torch.equal(cut.masks[0], whole.masks[0])


def test_a_golden_tile_shows_every_place():
    """Four chips of 256 pixels, a place each while there are enough, with buildings and ground."""
    here, there = sheet("validation", size=600), sheet("validation", place="there", seed=2, size=90)
    chip = golden_chip(here, here.gsd)
    assert chip.shape == (3, 256, 256)
    assert 0 < (chip.mean(0) > 130).mean() < 1
    model = fit_nothing()
    pixels, expected = golden_tile(model, [here, there])
    assert pixels.shape == (3, 512, 512)
    assert expected.shape == (1, 512, 512)
    assert np.array_equal(pixels[:, :256, :256], pixels[:, 256:, :256])
    assert not np.array_equal(pixels[:, :256, :256], pixels[:, :256, 256:])


def test_training_learns_and_writes_a_model(tmp_path):
    """A bright-square detector is learnt in seconds; its file is whole, its log complete."""
    sheets = [sheet(), sheet("validation", seed=8), sheet("test", seed=9)]
    out = tmp_path / "squares.safetensors"
    seen = []
    options = FitOptions(name="squares", seed=1, device="cpu", validate_every=30, threads=1)
    segmenter = train(sheets, TINY, out, options, lambda *words: seen.append(words))
    loaded = load_model(out)
    assert loaded.card.metrics["here"]["pixel_iou"] > 0.8
    assert loaded.card == replace(segmenter.card) or loaded.card.name == "squares"
    assert loaded.card.receptive_field is not None
    assert loaded.card.bytes_per_pixel > 0
    assert seen[-1][:2] == (60, 60)
    with (tmp_path / "squares.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["place"] for row in rows} == {"", "here"}


def test_training_is_repeatable(tmp_path):
    """The same seed gives the same weights."""
    short = replace(TINY, steps=5)
    runs = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.safetensors"
        train([sheet()], short, out, FitOptions(seed=3, device="cpu", threads=1))
        runs.append(load_model(out).network.state_dict())
    assert all(torch.equal(value, runs[1][key]) for key, value in runs[0].items())


def test_training_can_start_from_a_model(tmp_path):
    """With hardly a step the weights stay what they were; another network is refused."""
    first = train([sheet()], replace(TINY, steps=20), tmp_path / "a.safetensors",
                  FitOptions(device="cpu", threads=1))  # fmt: skip
    still = replace(TINY, steps=1, learning_rate=1e-9)
    options = FitOptions(start=first, device="cpu", threads=1)
    second = train([sheet()], still, tmp_path / "b.safetensors", options)
    one, two = first.network.state_dict(), second.network.state_dict()
    assert all(torch.allclose(one[key], two[key], atol=0.05) for key in one if "weight" in key)
    other = replace(still, network_options={"stem": 8, "filters": (4, 8)})
    with pytest.raises(TrainingError, match="not of the recipe's network"):
        train([sheet()], other, tmp_path / "c.safetensors", options)


def _dataset(folder, make_raster, manifest):
    image = np.random.default_rng(0).integers(0, 255, (3, 40, 50), dtype=np.uint8)
    mask = np.zeros((40, 50), np.uint8)
    mask[5:20, 10:30] = 255
    for sub, array in (("images", image), ("masks", mask)):
        (folder / sub).mkdir(exist_ok=True)
        make_raster(array, name=f"{sub}/one.tif")
    (folder / "dataset.toml").write_text(manifest, encoding="utf-8")
    return read_manifest(folder / "dataset.toml")


SET = """
[[set]]
name = "here"
split = "train"
images = "images/*.tif"
labels = "masks"
gsd = 0.5
window = [5, 2, 30, 20]
[data]
here = "ours"
"""


def test_a_manifest_names_images_masks_and_windows(tmp_path, make_raster):
    """A window is cut from image and mask alike."""
    manifest = _dataset(tmp_path, make_raster, SET)
    (one,) = load_sheets(tmp_path, manifest)
    assert one.image.shape == (3, 20, 30)
    assert one.mask.sum() == 15 * 20
    assert one.mask[3:18, 5:25].all()
    assert list(load_sheets(tmp_path, manifest, {"here": 0.0})) == []
    assert load_sheets(tmp_path, manifest, {"here": 0.3})[0].weight == 0.3
    assert manifest.data == {"here": "ours"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('split = "train"', 'split = "all"', "split is 'all' .expected train"),
        ('labels = "masks"', "", "set 1: lacks labels"),
        ("images/*", "pictures/*", "no image matches"),
        ('labels = "masks"', 'labels = "."', "no mask one.png"),
        ("[[set]]", "[set", "not a TOML manifest"),
        (SET, "", r"lists no \[\[set\]\]"),
        ("[[set]]", "[set]", r"lists no \[\[set\]\]"),
        ("images/*", "/images/*", "'/images/.*' .expected a glob below the folder"),
        ('"images/*.tif"', '""', "'' .expected a glob below the folder"),
        ('"images/*.tif"', "3", "images is 3 .expected a text"),
        ("[[set]]", "[[set]]\nwieght = 0.2", "unknown entry 'wieght'; known: weight"),
        ("[[set]]", "[[set]]\nweight = nan", "weight is nan .expected more than 0"),
        ("gsd = 0.5", 'gsd = "x"', "gsd is 'x' .expected a number"),
        ("gsd = 0.5", "gsd = 0", "gsd is 0 .expected more than 0"),
        ("gsd = 0.5", "gsd = 500", "a pixel is 500 m, more than a chip of 51.2 m"),
        ("window = ", "window = [0, 0]#", "window is .0, 0. .expected a whole number, "),
        (
            "[[set]]",
            "[[set]]\ntowns = { count = 1 }",
            "towns is .* .expected count, first_seed, size",
        ),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path, make_raster, old, new, words):
    """One line names the file, the set and what is wrong."""
    with pytest.raises(TrainingError, match=words):
        list(load_sheets(tmp_path, _dataset(tmp_path, make_raster, SET.replace(old, new))))


def test_sets_of_one_folder_look_at_it_once(tmp_path, make_raster, monkeypatch):
    """A survey has a set a sheet; their chips lie in one folder, which may hold very many."""
    manifest = _dataset(tmp_path, make_raster, SET.partition("[data]")[0] * 3)
    glob, looked = Path.glob, []
    monkeypatch.setattr(Path, "glob", lambda *words: looked.append(words) or glob(*words))
    assert len(load_sheets(tmp_path, manifest)) == 3
    assert len(looked) == 1


NUCLEI = """
[[set]]
name = "cells"
split = "test"
images = "images/*"
labels = "labels"
instances = true
names = "test.txt"
[[set]]
name = "cells"
split = "train"
images = "images/*"
labels = "labels"
instances = true
without_names = "test.txt"
"""


def _cells(folder, make_raster, names="b\n"):
    grey = np.arange(1, 21, dtype=np.uint8)[None].repeat(12, 0)
    for name, image in (("a", grey), ("b", np.stack([grey] * 3 + [grey // 10 * 255]))):
        for sub, array in (("images", image), ("labels", (grey > 8) * np.uint16(700))):
            (folder / sub).mkdir(exist_ok=True)
            make_raster(array, name=f"{sub}/{name}.png", transform=None, crs=None, driver="PNG")
    (folder / "test.txt").write_text(names, encoding="utf-8")
    (folder / "cells.toml").write_text(NUCLEI, encoding="utf-8")
    return read_manifest(folder / "cells.toml")


@pytest.mark.parametrize("names", ["b\n", "b.png\n"])
def test_a_set_may_name_its_images_in_a_file(tmp_path, make_raster, names):
    """Stems or file names, a line each; the other set takes those that are not named."""
    test, train_ = load_sheets(tmp_path, _cells(tmp_path, make_raster, names), shown=Shown(gsd=0.4))
    assert (test.name, test.split, train_.name, train_.split) == ("b", "test", "a", "train")
    assert test.gsd == 0.4


def test_grey_is_shown_as_three_bands_and_alpha_as_nodata(tmp_path, make_raster):
    """One band stands for red, green and blue; a pixel whose alpha is 0 has no data."""
    test, train_ = load_sheets(tmp_path, _cells(tmp_path, make_raster))
    assert train_.image.shape == test.image.shape == (3, 12, 20)
    assert (train_.image == np.arange(1, 21)).all()
    assert train_.valid.all()
    assert not test.valid[:, :9].any()
    assert test.valid[:, 9:].all()


def test_numbered_objects_are_a_mask_where_the_set_says_so(tmp_path, make_raster):
    """What is not 0 counts with `instances = true`; without it the values are refused by name."""
    manifest = _cells(tmp_path, make_raster)
    assert all(one.mask.sum() == 12 * 12 for one in load_sheets(tmp_path, manifest))
    for table in manifest.tables:
        del table["instances"]
    with pytest.raises(TrainingError, match=r"a\.png: holds 0, 700") as caught:
        load_sheets(tmp_path, manifest)
    assert "b.png: holds 0, 700" in str(caught.value)


def test_a_name_that_is_no_image_is_told(tmp_path, make_raster):
    """A list that names what is not there is refused, whole."""
    with pytest.raises(TrainingError, match="c is no image of set 'cells'"):
        load_sheets(tmp_path, _cells(tmp_path, make_raster, "b\nc\n"))


def test_a_missing_manifest_is_refused(tmp_path):
    """One line names it."""
    with pytest.raises(TrainingError, match=r"none\.toml: cannot be read"):
        read_manifest(tmp_path / "none.toml")


def test_a_field_too_far_to_cover_gets_its_seams_on_the_card():
    """What a halo is worth is measured there, and only there."""
    card = ModelCard(name="x", network="pointwise", receptive_field=0, stride=64)
    near = Segmenter(card, build("pointwise", {}).eval())
    assert with_seams(near, [sheet()]) == near
    found = with_seams(near.with_card(receptive_field=None), [sheet()]).card
    assert list(found.seams) == ["64", "128", "192", "256", "320", "384"]
    assert max(found.seams.values()) <= EXACT
    assert tolerated(found) == 64


def test_nothing_to_train_on_is_refused(tmp_path):
    """A dataset of test sheets trains nothing, and nothing is written."""
    with pytest.raises(TrainingError, match="no sheet of split 'train'"):
        train([sheet("test")], TINY, tmp_path / "x.safetensors", FitOptions())
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_recipe_names_the_known():
    """The message lists them."""
    with pytest.raises(TrainingError, match="known: buildings"):
        recipe("bulidings")
