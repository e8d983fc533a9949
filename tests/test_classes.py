"""Rules of datasets of several classes: what is read, refused, balanced, learnt and predicted."""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
import torch
from affine import Affine
from geounet.cli.main import main
from PIL import Image

from geounet.annotations.classes import Classes
from geounet.annotations.shapes import Shape
from geounet.backends.torch import TorchStep
from geounet.card import ModelCard
from geounet.errors import GeounetError, GeounetWarning, TrainingError
from geounet.evaluation.pixels import PixelScore, confusion
from geounet.model import Segmenter, load_model, read_card, save_model
from geounet.networks.registry import build
from geounet.onnxfile import metadata
from geounet.training import listing, recipes
from geounet.training.chips import ChipSampler, sized
from geounet.training.dataset import open_dataset
from geounet.training.finish import train
from geounet.training.fit import FitOptions, fit
from geounet.training.listed import Listed
from geounet.training.recipe import Recipe
from geounet.training.recipes import recipe
from geounet.training.score import chosen
from geounet.training.sheet import Sheet
from geounet.training.shown import Shown
from geounet.training.threshold import THRESHOLDS, swept
from geounet.training.whole import WholeSampler, as_shown
from geounet.transfer import deepness
from geounet.transfer.export import export_model

NAMES = ("house", "road")
COLOURS = np.array([(60, 110, 60), (210, 60, 50), (90, 90, 220)], np.uint8)
"""Of ground, house and road."""
TINY = Recipe(
    classes=NAMES,
    network_options={"stem": 4, "filters": (8, 16)},
    gsd_range=(0.25, 0.4),
    steps=60,
    batch_size=4,
    chip=32,
    learning_rate=2e-2,
    average=0.8,
    blank=0.0,
)
SOFTMAX = replace(
    TINY, network="separable", loss="cross-entropy",
    network_options={"stem": 8, "down": (16,), "up": (16, 8)},
)  # fmt: skip
CPU = FitOptions(device="cpu", threads=1, seed=1, precision="fp32")


def labels(seed, size=96):
    """Houses are squares, a road is a bar that runs across."""
    rng = np.random.default_rng(seed)
    found = np.zeros((size, size), np.uint8)
    for row, col in rng.integers(0, size - 16, (6, 2)):
        found[row : row + 14, col : col + 14] = 1
    at = int(rng.integers(0, size - 12))
    found[:, at : at + 10] = 2
    return found


def painted(mask, seed=0):
    """An image of classes, `(3, height, width)`."""
    grain = np.random.default_rng(seed).integers(-20, 20, (*mask.shape, 3))
    return np.moveaxis(COLOURS[mask.astype(int)] + grain, 2, 0).clip(0, 255).astype(np.uint8)


def sheet(split="train", *, seed=0, mask=None, place="here", **changes):
    """A labelled image in memory."""
    mask = labels(seed) if mask is None else mask
    given = {
        "name": f"{split}{seed}", "place": place, "split": split, "image": painted(mask, seed),
        "mask": mask, "valid": np.ones(mask.shape, bool), "gsd": 0.3, "weight": 1.0,
    }  # fmt: skip
    return Sheet(**(given | changes))


SHEETS = [sheet(), sheet(seed=1), sheet("validation", seed=8), sheet("test", seed=9)]


# --- what is shown ---------------------------------------------------------------------------


def test_classes_stay_whole_numbers_on_another_grid():
    """Each pixel is of the class that has most of it: no number between two appears."""
    mask = np.zeros((60, 60), np.uint8)
    mask[:, 30:] = 3
    mask[:30, :15] = 1
    _, truth, _ = sized(painted(np.minimum(mask, 2)), mask, mask < 9, (20, 20))
    assert np.array_equal(truth[0].numpy(), mask[1::3, 1::3])
    for way in ("nearest", "bilinear", "lanczos"):
        shown = Shown(size=20, mask_filter=way, augment={}, classes=("a", "b", "c"), batch_size=1)
        one = sheet(mask=np.minimum(mask, 2), seed=0)
        one = replace(one, mask=mask)
        assert np.array_equal(as_shown([one], shown)[0].mask, mask[1::3, 1::3])
        batch = WholeSampler([one], shown, 0).batch(0)
        assert np.array_equal(batch.masks[0, 0].numpy(), mask[1::3, 1::3])


def test_a_class_goes_where_its_pixels_go():
    """Under every change of place the colour of a pixel tells the class of its mask."""
    shown = Shown.of(replace(TINY, augment={"d4": 1, "rotate": 30, "shift": 0.2, "zoom": 0.3}))
    batch = ChipSampler(SHEETS[:2], replace(shown, batch_size=8), 3).batch(1)
    found = np.moveaxis(batch.images.numpy(), 1, -1)[..., None, :]
    near = np.abs(found - COLOURS.astype(np.float32)).sum(-1)
    sure = (near.min(-1) < 60) & (batch.valid[:, 0].numpy() > 0)
    assert set(np.unique(batch.masks)) == {0, 1, 2}
    assert (near.argmin(-1) == batch.masks[:, 0].numpy())[sure].mean() > 0.99


def test_the_largest_class_above_the_threshold_is_chosen():
    """None where nothing reaches it; one sweep counts what each threshold by itself does."""
    rng = np.random.default_rng(0)
    p = rng.random((2, 40, 50)).astype(np.float32)
    mask = rng.integers(0, 3, (40, 50)).astype(np.uint8)
    one = sheet(mask=mask, valid=rng.random((40, 50)) > 0.2)
    counts = swept(one, p, THRESHOLDS)
    for at, threshold in enumerate(THRESHOLDS):
        found = chosen(p, threshold)
        assert np.array_equal(found > 0, p.max(0) >= np.float32(threshold))
        assert np.array_equal(found[found > 0], p.argmax(0)[found > 0] + 1)
        assert np.array_equal(counts[at], confusion(found, mask, one.valid)[:3, :3])


# --- balance ---------------------------------------------------------------------------------


def rare(size=600):
    """A large sheet with one small road and one small house."""
    mask = np.zeros((size, size), np.uint8)
    mask[20:30, 20:30], mask[-30:-20, -30:-20] = 1, 2
    return mask


def holding(sampler, number, steps):
    """Share of the chips that show a class."""
    batches = [sampler.batch(step).masks for step in range(steps)]
    return float(np.mean([(chip == number).any() for batch in batches for chip in batch]))


def test_chips_are_cut_around_a_class_as_often_as_asked():
    """Of two rare classes each has its share; without balance hardly any chip shows them."""
    sheets = [sheet(mask=rare()), sheet(mask=np.zeros((300, 300), np.uint8), seed=1)]
    shown = replace(Shown.of(TINY), batch_size=20, augment={}, gsd_range=(0.3, 0.3))
    assert holding(ChipSampler(sheets, shown, 0), 1, 5) < 0.1
    wanted = replace(shown, balance={"road": 0.5, "house": 0.2})
    sampler = ChipSampler(sheets, wanted, 0)
    assert holding(sampler, 2, 25) == pytest.approx(0.5, abs=0.07)
    assert holding(sampler, 1, 25) == pytest.approx(0.2, abs=0.07)
    again = ChipSampler(sheets, wanted, 0)
    for ours, theirs in zip(sampler.batch(7), again.batch(7), strict=True):
        assert torch.equal(ours, theirs)


def test_sets_keep_their_weight_among_chips_around_a_class():
    """A place with twice the weight is drawn twice as often, however many its pixels are."""
    small, large = np.zeros((64, 64), np.uint8), np.zeros((300, 300), np.uint8)
    small[5:9, 5:9], large[10:200, 10:200] = 1, 1
    sheets = [sheet(mask=small, place="a", weight=2.0), sheet(mask=large, place="b")]
    shown = replace(Shown.of(TINY), balance={"house": 1.0}, gsd_range=(0.3, 0.3))
    balance = ChipSampler(sheets, shown, 0)._balance
    drawn = [balance.draw(np.random.default_rng(at)) for at in range(600)]
    assert np.mean([pixel.sheet == 0 for pixel in drawn]) == pytest.approx(2 / 3, abs=0.06)
    assert all(sheets[p.sheet].mask[p.row, p.col] == 1 for p in drawn)


def test_no_chip_is_cut_around_what_is_held_out():
    """A pixel without data is never chosen; one class is balanced as several are."""
    mask = rare() > 0
    valid = np.ones(mask.shape, bool)
    valid[:100] = False
    shown = Shown(balance={"building": 1.0}, chip=32, gsd_range=(0.3, 0.3))
    balance = ChipSampler([sheet(mask=mask, valid=valid, image=painted(rare()))], shown, 0)._balance
    assert {balance.draw(np.random.default_rng(at)).row for at in range(30)} <= {*range(570, 580)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"balance": {"tree": 0.5}}, "balance names tree (expected some of house, road)"),
        ({"balance": {"house": 0.7, "road": 0.6}}, "expected a sum up to 1"),
        ({"balance": {"house": -0.1}}, "expected 0 or more"),
        ({"balance": {"house": 0.5}, "size": 64}, "whole images are shown"),
        ({"class_weights": {"tree": 2.0}}, "class_weights names tree"),
        ({"class_weights": {"road": 2.0}}, "is for the losses cross-entropy and dice-entropy"),
        ({"classes": ("house", "House")}, "stands twice"),
        ({"classes": ("house", "background")}, "means something else"),
        ({"classes": ("house", "gpkg_x")}, "means something else"),
        ({"classes": ("house", "coverage")}, "means something else"),
        ({"classes": ("house", " ")}, "is no name"),
        ({"classes": tuple(map(str, range(255)))}, "255 classes are too many"),
        ({"network_options": {"classes": 4}}, "give 4 maps (expected 2 of house, road)"),
        ({"network_options": {"softmax": True}}, "loss boundary is for maps that do not exclude"),
        ({"network": "separable", "network_options": {}, "loss": "focal"}, "loss focal is for"),
    ],
)  # fmt: skip
def test_a_recipe_whose_classes_do_not_fit_is_refused(changes, words):
    """Each is told in one line with what was expected."""
    with pytest.raises(TrainingError) as told:
        replace(TINY, **changes)
    assert words in str(told.value)


def test_balance_of_what_is_not_there_is_refused(tmp_path):
    """No training image shows it, or nothing is called so."""
    with pytest.raises(TrainingError, match="no training image shows it"):
        ChipSampler([sheet(mask=rare() // 2 * 2)], replace(TINY, balance={"house": 0.5}), 0)
    weighed = replace(TINY, classes=(), loss="cross-entropy", class_weights={"tree": 2.0})
    with pytest.raises(TrainingError, match="class_weights names tree"):
        fit(SHEETS, weighed, tmp_path / "m.safetensors", CPU)
    with pytest.raises(TrainingError, match="balance names house"):
        ChipSampler([sheet(mask=rare() > 0)], Shown(balance={"house": 0.5}), 0)


# --- sources ---------------------------------------------------------------------------------

SQUARE = {"house": (4, 4, 16, 16), "road": (20, 0, 28, 32), "both": (12, 10, 24, 20)}
"""Column, row, column, row; the road lies over the house that reaches into it."""


def drawn(at):
    """What image number `at` shows: name of class and box in pixels; its mask."""
    shapes = [("road", SQUARE["road"]), ("house", SQUARE["both"]), ("house", SQUARE["house"])]
    shapes = shapes[: 3 - at % 2]
    mask = np.zeros((32, 32), np.uint8)
    for name in NAMES:
        for _, (left, top, right, bottom) in (each for each in shapes if each[0] == name):
            mask[top:bottom, left:right] = NAMES.index(name) + 1
    return shapes, mask


@pytest.fixture
def images(tmp_path, make_raster):
    """Six images far apart in a folder, with the masks they should get."""
    (tmp_path / "images").mkdir()
    truth = {}
    for at in range(6):
        truth[f"s{at}"] = drawn(at)[1]
        place = Affine(0.5, 0, 500_000 + 1000 * at, 0, -0.5, 5_000_000)
        make_raster(painted(truth[f"s{at}"]), name=f"images/s{at}.tif", transform=place)
    return truth


def same(dataset, truth):
    """Every image has its classes, under their names."""
    assert dataset.classes == NAMES
    assert {one.name: one.mask.tolist() for one in dataset.sheets} == {
        name: mask.tolist() for name, mask in truth.items()
    }
    assert all(one.mask.dtype == np.uint8 for one in dataset.sheets)


def named(**words):
    """A recipe's images, with classes."""
    return Shown(classes=NAMES, **words)


def masks(folder, truth, suffix="tif"):
    """Write masks; as PNGs they have a palette."""
    (folder / "masks").mkdir()
    for name, mask in truth.items():
        picture = Image.fromarray(mask)
        if suffix == "png":
            picture.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
        picture.save(folder / "masks" / f"{name}.{suffix}")


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_masks_may_hold_numbers_of_classes(tmp_path, images, suffix):
    """0 is background; a palette does not matter; names are the recipe's, or a file's beside."""
    masks(tmp_path, images, suffix)
    same(open_dataset(tmp_path, named()), images)
    with pytest.raises(TrainingError, match=r"holds 0, 1, 2 .*if classes, name"):
        open_dataset(tmp_path)
    (tmp_path / "masks" / "classes.json").write_text('{"1": "house", "2": "road"}')
    same(open_dataset(tmp_path), images)
    with pytest.raises(TrainingError, match=r"classes are house, road \(expected road, house\)"):
        open_dataset(tmp_path, Shown(classes=NAMES[::-1]))
    (tmp_path / "masks" / "classes.json").write_text('{"1": "house", "3": "road"}')
    with pytest.raises(GeounetError, match="without a gap"):
        open_dataset(tmp_path)


def test_a_number_that_is_no_class_is_told_by_file(tmp_path, images):
    """Each mask with other values is listed with them, before anything is learnt."""
    images["s2"][0, 0], images["s4"][3, 3] = 7, 255
    masks(tmp_path, images)
    with pytest.raises(TrainingError) as told:
        open_dataset(tmp_path, named())
    assert "2 faults" in str(told.value)
    assert "s2.tif: holds 7 (expected 0 background, 1 house, 2 road)" in str(told.value)
    assert "s4.tif: holds 255" in str(told.value)


def coco(folder, truth):
    """Write a COCO file."""
    file = {"images": [], "annotations": [], "categories": [
        {"id": 7, "name": "road"}, {"id": 3, "name": "house"}]}  # fmt: skip
    for at, name in enumerate(truth):
        file["images"].append({"id": at, "file_name": f"{name}.tif", "height": 32, "width": 32})
        for kind, (left, top, right, bottom) in drawn(at)[0]:
            number = len(file["annotations"])
            corners = [[left, top, right, top, right, bottom, left, bottom]]
            file["annotations"].append(
                {"id": number, "image_id": at, "category_id": 3 if kind == "house" else 7,
                 "segmentation": corners, "iscrowd": 0, "area": 1, "bbox": [0, 0, 1, 1]}
            )  # fmt: skip
    (folder / "drawn.json").write_text(json.dumps(file))
    return folder / "drawn.json"


def test_categories_of_a_coco_file_are_classes(tmp_path, images):
    """Where classes are named, or asked for by attribute; without either all is building."""
    path = coco(tmp_path, images)
    same(open_dataset(path, named()), images)
    same(open_dataset(path, class_by="category"), images)
    binary = open_dataset(path)
    assert binary.classes == ()
    assert all(np.array_equal(one.mask, images[one.name] > 0) for one in binary.sheets)
    with pytest.raises(TrainingError) as told:
        open_dataset(path, Shown(classes=("house", "tree")))
    assert "category is road, as of" in str(told.value)
    assert "(expected one of house, tree)" in str(told.value)


def via(folder, truth):
    """Write a VIA file."""
    file = {}
    for at, name in enumerate(truth):
        regions = [
            {"shape_attributes": {"name": "rect", "x": left, "y": top, "width": right - left,
                                  "height": bottom - top}, "region_attributes": {"kind": kind}}
            for kind, (left, top, right, bottom) in drawn(at)[0]
        ]  # fmt: skip
        file[name] = {"filename": f"{name}.tif", "size": 1, "regions": regions}
    (folder / "via.json").write_text(json.dumps(file))
    return folder / "via.json"


def test_an_attribute_of_a_via_file_is_a_class(tmp_path, images):
    """The attribute is named; without it classes cannot be told."""
    path = via(tmp_path, images)
    same(open_dataset(path, class_by="kind"), images)
    same(open_dataset(path, named(), class_by="kind"), images)
    with pytest.raises(TrainingError, match="name the attribute that does with --class-by"):
        open_dataset(path, named())
    with pytest.raises(GeounetError, match="no shape has an attribute sort"):
        open_dataset(path, class_by="sort")


def vector(folder, truth):
    """Write a layer with a column of kinds over the images."""
    kinds, boxes = [], []
    for at in range(len(truth)):
        place = Affine(0.5, 0, 500_000 + 1000 * at, 0, -0.5, 5_000_000)
        for kind, (left, top, right, bottom) in drawn(at)[0]:
            (west, north), (east, south) = place @ (left, top), place @ (right, bottom)
            kinds.append(kind)
            boxes.append(shapely.box(west, south, east, north))
    layer = gpd.GeoDataFrame({"kind": kinds}, geometry=boxes, crs="EPSG:32633")
    layer.to_file(folder / "drawn.gpkg")
    return folder / "drawn.gpkg"


def test_a_column_of_a_vector_layer_is_a_class(tmp_path, images):
    """Its values in alphabetical order are the classes; a value that is none is told."""
    layer = vector(tmp_path, images)
    folder = tmp_path / "images"
    same(open_dataset(folder, labels=layer, class_by="kind"), images)
    with pytest.raises(GeounetError, match=r"has no column sort \(it has kind\)"):
        open_dataset(folder, labels=layer, class_by="sort")
    with pytest.raises(TrainingError, match=r"kind is road.*expected one of house, tree"):
        open_dataset(folder, Shown(classes=("house", "tree")), labels=layer, class_by="kind")


def test_kaggle_files_have_numbers_of_classes(tmp_path, images):
    """Their column ClassId counts where classes are named; a larger one is told."""
    rows = ["ImageId,ClassId,EncodedPixels"]
    for name, mask in images.items():
        for number in (1, 2):
            flat = np.flatnonzero(mask.T.ravel() == number) + 1
            rows += [f"{name},{number}," + " ".join(f"{at} 1" for at in flat)]
    (tmp_path / "runs.csv").write_text("\n".join(rows))
    same(open_dataset(tmp_path / "runs.csv", named()), images)
    (tmp_path / "runs.csv").write_text("\n".join([*rows, "s0,3,1 2"]))
    with pytest.raises(TrainingError, match=r"ClassId is 3 \(expected 1 to 2: house, road\)"):
        open_dataset(tmp_path / "runs.csv", named())


@pytest.mark.parametrize("kind", ["masks", "vector"])
def test_a_manifest_names_its_classes(tmp_path, images, kind):
    """Of masks and of outlines, by one line each."""
    source = "masks"
    if kind == "masks":
        masks(tmp_path, images)
    else:
        source = vector(tmp_path, images).name
    lines = ['classes = ["house", "road"]', 'class_by = "kind"' * (kind == "vector"), "[[set]]",
             'name = "a"', 'split = "train"', 'images = "images/*.tif"',
             f'labels = "{source}"']  # fmt: skip
    path = tmp_path / "dataset.toml"
    path.write_text("\n".join(lines))
    same(open_dataset(tmp_path), images)
    for old, new, words in (
        (lines[0], "classes = 3", "expected a list of names"),
        (lines[0], 'class_by = "kind"\n' * (kind == "masks"), "names no classes beside class_by"),
        ('name = "a"', 'name = "a"\ninstances = true', "instances knows one class"),
    ):
        path.write_text("\n".join(lines).replace(old, new, 1))
        with pytest.raises(TrainingError, match=words):
            open_dataset(tmp_path)


def test_what_masks_makes_is_a_dataset(tmp_path, images, capsys):
    """`geounet masks` beside the images: its names are the classes."""
    layer = vector(tmp_path, images)
    made = ["masks", str(layer), "--images", str(tmp_path / "images"), "--class-by", "kind"]
    assert main([*made, "-o", str(tmp_path / "masks"), "-q"]) == 0
    same(open_dataset(tmp_path), images)


def test_chips_have_classes(tmp_path, make_raster, capsys):
    """Masks hold their numbers, the manifest their names, and the whole is a dataset."""
    mask = np.tile(labels(3, 128), (4, 4))
    place = Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)
    image = make_raster(painted(mask), transform=place, name="ortho.tif")
    shapes = {}
    for number, name in enumerate(NAMES, 1):
        rows, cols = np.nonzero(mask == number)
        shapes[name] = shapely.union_all(
            [shapely.box(*(place @ (c, r + 1)), *(place @ (c + 1, r)))
             for r, c in zip(rows.tolist(), cols.tolist(), strict=True)]
        )  # fmt: skip
    layer = gpd.GeoDataFrame({"kind": [*shapes]}, geometry=[*shapes.values()], crs="EPSG:32633")
    layer.to_file(tmp_path / "drawn.gpkg")
    words = [str(image), "--labels", str(tmp_path / "drawn.gpkg"), "--tile", "64", "--block", "2"]
    words += ["-q", "-f", "-o", str(tmp_path / "set")]
    assert main(["chips", *words, "--class-by", "kind"]) == 0
    found = open_dataset(tmp_path / "set")
    assert found.classes == NAMES
    assert found.sheets
    for one in found.sheets:
        row, col = (int(part) for part in one.name.split("_")[1:])
        assert np.array_equal(one.mask, mask[row : row + 64, col : col + 64])
    assert main(["chips", *words, "--class-by", "kind", "--classes", "house"]) == 2
    assert "kind is road (expected one of house)" in capsys.readouterr().err
    assert main(["chips", *words, "--classes", "house,road"]) == 2
    assert "name the column that does with --class-by" in capsys.readouterr().err


def test_a_class_that_is_nowhere_is_told(tmp_path, images):
    """Nothing can be learnt of it: a warning before the first step."""
    masks(tmp_path, images)
    with pytest.warns(GeounetWarning, match=r"no training image shows class 3 \(tree\)"):
        open_dataset(tmp_path, Shown(classes=(*NAMES, "tree")))


def test_classes_are_read_crop_by_crop_too(tmp_path, images, monkeypatch):
    """A crop of what is not held in memory equals that of what is; so does its index."""
    masks(tmp_path, images)
    held = {one.name: one for one in open_dataset(tmp_path, named()).sheets}
    monkeypatch.setattr(listing, "HELD", 10)
    sheets = [one for one in open_dataset(tmp_path, named()).sheets if one.split == "train"]
    assert all(isinstance(one, Listed) for one in sheets)
    for one in sheets:
        part = slice(3, 25), slice(9, 30)
        assert np.array_equal(one.crop(*part).mask, held[one.name].crop(*part).mask)
    shown = replace(Shown.of(TINY), balance={"road": 1.0}, chip=16, gsd_range=(0.5, 0.5))
    near = [held[one.name] for one in sheets]
    for ours, theirs in zip(
        ChipSampler(sheets, shown, 2).batch(0), ChipSampler(near, shown, 2).batch(0), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_a_shape_of_no_class_is_told_once_a_value():
    """With the first place where it stands, and how many more there are."""
    said = [{"kind": frozenset(values)} for values in (["a"], ["c"], ["c"], [], ["a", "b"])]
    shapes = [
        Shape(geometry=shapely.box(0, 0, 1, 1), where=f"f: {at}", attributes=each)
        for at, each in enumerate(said)
    ]
    classes = Classes(names=("a", "b"), by="kind")
    assert classes.numbers(shapes).tolist() == [1, 0, 0, 0, 0]
    assert [line.partition(" (")[0] for line in classes.strangers(shapes)] == [
        "f: 1: kind is c, as of 1 more",
        "f: 3: kind is not said",
        "f: 4: kind is a and b",
    ]


# --- learning --------------------------------------------------------------------------------


def scores(model, tmp_path, make_raster):
    """Predict an image it never saw, with masks and layers; IoU of each class by the mask."""
    truth = labels(33, 128)
    place = Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)
    image = make_raster(painted(truth, 5), transform=place, name="new.tif")
    out, mask = tmp_path / "new.gpkg", tmp_path / "new_mask.tif"
    words = ["-m", str(model), "-o", str(out), "--mask", str(mask), "--device", "cpu", "-q", "-f"]
    assert main(["predict", str(image), *words]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = np.asarray(Image.open(mask))
    layers = {str(name) for name, _ in pyogrio.list_layers(out)}
    assert set(NAMES) <= layers
    assert "background" not in layers
    for name in NAMES:
        assert set(pyogrio.read_dataframe(out, layer=name)["class"]) == {name}
    matrix = confusion(found, truth, np.ones(truth.shape, bool))[:3, :3]
    return PixelScore(matrix).iou[1:]


@pytest.mark.parametrize("start", [TINY, SOFTMAX], ids=["sigmoid", "softmax"])
def test_two_classes_are_learnt_and_predicted(tmp_path, make_raster, start):
    """IoU of each above 0.8 on an image never seen; the card names them, with their figures."""
    out = tmp_path / "two.safetensors"
    train(SHEETS, start, out, CPU)
    card = read_card(out)
    assert (card.classes, card.layers) == (NAMES, NAMES)
    maps = load_model(out).network.options.classes
    assert maps == (3 if start is SOFTMAX else 2)
    test = card.metrics["here"]
    each = [test["classes"][name]["pixel_iou"] for name in NAMES]
    assert test["pixel_iou"] == pytest.approx(np.mean(each), abs=1e-4)
    assert min(scores(out, tmp_path, make_raster)) > 0.8
    with out.with_suffix(".csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["place"]]
    last = {row["class"]: float(row["iou"]) for row in rows[-3:]}
    assert last[""] == pytest.approx((last["house"] + last["road"]) / 2, abs=1e-4)
    with Image.open(out.with_suffix(".examples.png")) as picture:
        shown = np.asarray(picture)
    assert shown.shape[2] == 3


def test_a_softmax_model_goes_to_other_tools_and_back(tmp_path):
    """Its graph gives each class, and before them an empty background, by which its names go."""
    pytest.importorskip("onnxruntime")
    network = build(SOFTMAX.network, SOFTMAX.built).eval()
    card = ModelCard(
        name="two", network=SOFTMAX.network, network_options=SOFTMAX.built, stride=4,
        classes=NAMES, layers=NAMES,
    )  # fmt: skip
    path, graph = tmp_path / "two.safetensors", tmp_path / "two.onnx"
    save_model(path, Segmenter(card, network))
    assert load_model(path).card.classes == NAMES
    assert export_model(path, graph, 32) < 1e-4
    with graph.open("rb") as file:
        entries = metadata(file)
    names = {"0": "background", "1": "house", "2": "road"}
    assert json.loads(entries["class_names"]) == names
    assert deepness.words(entries, 3, graph)["classes"] == NAMES
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    p = TorchStep(load_model(path), device="cpu")(pixels, np.ones((1, 32, 32), bool))
    assert p["probability"].shape == (1, 2, 32, 32)
    assert (p["probability"].sum(1) < 1).all()


def test_an_interrupted_training_of_classes_goes_on_exactly(tmp_path):
    """Balanced, too: the same bytes as without the interruption."""
    short = replace(TINY, steps=8, balance={"road": 0.5})
    options = replace(CPU, name="same", validate_every=4, state_every_s=0)

    def stop(done, total, note):
        if done == 5:
            raise KeyboardInterrupt

    straight = fit(SHEETS, short, tmp_path / "a.safetensors", options)
    with pytest.raises(KeyboardInterrupt):
        fit(SHEETS, short, tmp_path / "b.safetensors", options, stop)
    again = fit(SHEETS, short, tmp_path / "b.safetensors", replace(options, resume=True))
    one, two = (each.network.state_dict() for each in (straight, again))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_command_trains_classes_and_tunes_them(tmp_path, images, monkeypatch, capsys):
    """Names come from the command line and stand on the card; tuning tells how each gained."""
    masks(tmp_path, images)
    tiny = replace(recipe("buildings"), chip=32, batch_size=2, gsd=0.5, gsd_range=(0.4, 0.6),
                   network_options={"stem": 4, "filters": (4, 8)})  # fmt: skip
    monkeypatch.setitem(recipes.RECIPES, "buildings", tiny)
    first, mine = tmp_path / "first.safetensors", tmp_path / "mine.safetensors"
    given = [str(tmp_path), "--threads", "1", "--device", "cpu", "-q", "--steps", "3"]
    words = ["--classes", "house,road", "--balance", "road=0.5"]
    assert main(["train", *given, *words, "-o", str(first)]) == 0
    training = read_card(first).training
    assert "--classes house,road --balance road=0.5" in training["command"]
    assert training["recipe"]["balance"] == {"road": 0.5}
    assert main(["train", *given, "--from", str(first), "-o", str(mine)]) == 0
    assert "held out: road iou 0." in capsys.readouterr().err
    assert read_card(mine).classes == NAMES
    assert main(["train", *given, "--from", "buildings", *words, "-o", str(mine), "-f"]) == 2
    assert "start from one that is, or afresh with --recipe" in capsys.readouterr().err
