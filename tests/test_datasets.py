"""Rules of datasets: what is opened, refused, split, shown and varied."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
import torch
from affine import Affine
from geounet.cli.main import main
from PIL import Image
from rasterio.windows import Window

from geounet.errors import AnnotationError, GeounetError, TrainingError
from geounet.model import load_model, read_card
from geounet.training import listing, recipes
from geounet.training.augment import coloured, moved
from geounet.training.chips import ChipSampler
from geounet.training.dataset import open_dataset
from geounet.training.listed import Listed
from geounet.training.recipes import recipe
from geounet.training.sampler import make_sampler
from geounet.training.sheet import Sheet
from geounet.training.shown import AUGMENTATIONS, Shown
from geounet.training.split import deal

EVERYTHING = {
    "d4": 1, "rotate": 30, "shift": 0.2, "zoom": 0.3, "light": 1, "brightness": 0.3,
    "contrast": 0.3, "saturation": 0.3, "hue": 0.1, "blur": 2, "noise": 0.1, "jpeg": 40,
}  # fmt: skip
PLAIN = Shown(chip=48, batch_size=3, gsd_range=(0.25, 0.4), blank=0.0, augment={})


def ramps(size=90, gsd=0.3, **changes):
    """Band 1 tells the column, band 2 the row; a building is on one side of the diagonal."""
    rows, cols = np.mgrid[:size, :size]
    image = np.stack([cols * 2, rows * 2, rows + cols]).astype(np.uint8)
    mask = cols >= rows
    given = {
        "name": "ramps", "place": "here", "split": "train", "image": image, "mask": mask,
        "valid": np.ones_like(mask), "gsd": gsd, "weight": 1.0,
    }  # fmt: skip
    return Sheet(**(given | changes))


def equal(one, two):
    """Whether two batches are the same to the last bit."""
    return all(torch.equal(ours, theirs) for ours, theirs in zip(one, two, strict=True))


@pytest.mark.parametrize("size", [None, 40])
def test_a_batch_is_a_function_of_seed_and_step(size):
    """Whatever order, thread and sampler: the same step gives the same batch."""
    shown = replace(PLAIN, augment=EVERYTHING, blank=0.3, size=size)
    sheets = [ramps(size or 90), ramps(size or 70, image=ramps(size or 70).image // 2)]
    one, two = (make_sampler(sheets, shown, 4) for _ in range(2))
    steps = [5, 0, 3, 1, 4, 2]
    with ThreadPoolExecutor(3) as pool:
        threaded = dict(zip(steps, pool.map(two.batch, steps), strict=True))
    assert all(equal(one.batch(step), threaded[step]) for step in range(6))
    assert not equal(one.batch(1), one.batch(3))
    assert not equal(make_sampler(sheets, shown, 5).batch(1), one.batch(1))


def test_the_bundled_recipe_is_shown_what_it_always_was():
    """The batches of `buildings` keep their figures: new augmentations draw from elsewhere."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (3, 300, 400), dtype=np.uint8)
    sheets = [
        ramps(image=image, mask=image[0] > 120, valid=image[1] > 20, gsd=0.13),
        ramps(200, place="there", gsd=0.6),
    ]
    batch = ChipSampler(sheets, recipe("buildings"), 7).batch(2)
    found = [float(maps.double().mean()) for maps in batch]
    found += [float(maps.double().std()) for maps in batch]
    assert found == pytest.approx(BUNDLED, rel=1e-4)


BUNDLED = [122.797642, 0.546226, 0.903004, 52.994352, 0.338268, 0.295953]
"""Means and standard deviations of image, mask and valid, from before there were others."""


@pytest.mark.parametrize("name", ["d4", "rotate", "shift", "zoom", "all"])
def test_a_mask_goes_where_its_image_goes(name):
    """The building is where the painted picture says, under every transform, and stays hard."""
    amounts = {"d4": 1, "rotate": 40, "shift": 0.3, "zoom": 0.4}
    amounts = amounts if name == "all" else {name: amounts[name]}
    batch = make_sampler([ramps()], replace(PLAIN, augment=amounts, batch_size=8), 1).batch(0)
    ahead = (batch.images[:, :1] - batch.images[:, 1:2]) / 2  # columns minus rows, sheet's pixels
    sure = (batch.valid > 0) & (ahead.abs() > 3)
    assert sure.float().mean() > 0.4
    assert torch.equal((batch.masks > 0.5)[sure], (ahead > 0)[sure])


def test_what_comes_in_from_beyond_is_not_valid():
    """A shifted picture has a border of nodata, whose colour reaches no pixel beside it."""
    white = (torch.full((3, 64, 64), 200.0), torch.ones(1, 64, 64), torch.ones(1, 64, 64))
    image, mask, valid = moved(white, {"rotate": 30, "shift": 0.2}, np.random.default_rng(1))
    assert 0.3 < valid.mean() < 1
    shown = valid > 0
    assert torch.allclose(image[shown.expand_as(image)], torch.tensor(200.0), atol=1e-2)
    assert mask[shown].min() == 1


COLOURS = ("brightness", "contrast", "saturation", "hue", "blur", "noise", "jpeg")


@pytest.mark.parametrize("name", COLOURS)
def test_a_colour_is_changed_only_when_it_is_asked_for(name):
    """Each word changes pixels, within black and white or near them; without it none changes."""
    image = ChipSampler([ramps()], PLAIN, 0).batch(0).images[0]
    valid, amount = torch.ones(1, *image.shape[1:]), EVERYTHING[name]
    assert coloured(image, valid, {}, np.random.default_rng(0)) is image
    changed = coloured(image, valid, {name: amount}, np.random.default_rng(0))
    assert not torch.equal(changed, image)
    assert changed.min() > -150
    assert changed.max() < 400
    assert name in AUGMENTATIONS


def test_an_unknown_word_is_refused():
    """A recipe that misspells what it wants, or wants too much of it, is told what there is."""
    with pytest.raises(TrainingError, match="augment is 'rotated'; known: d4, rotate"):
        Shown(augment={"rotated": 10})
    with pytest.raises(TrainingError, match=r"augment: hue is 0\.9 \(expected 0 to 0\.5"):
        Shown(augment={"hue": 0.9})


def test_an_epoch_shows_every_image_once():
    """Whole images come in a new order each epoch, none twice."""
    sheets = [ramps(8, image=np.full((3, 8, 8), at, np.uint8)) for at in range(7)]
    sampler = make_sampler(sheets, Shown(size=8, batch_size=3, augment={}), 0)
    assert sampler.steps_per_epoch == 3
    epochs = [
        torch.cat([sampler.batch(3 * epoch + at).images[:, 0, 0, 0] for at in range(3)]).tolist()
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(7))
    assert epochs[0] != epochs[1]


# --- sources ---------------------------------------------------------------------------------


def write(folder, make_raster, count=6, *, edge=32, **options):
    """Images with one bright square each, and their masks; return the masks by stem."""
    (folder / "images").mkdir(exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    truth = {}
    for at in range(count):
        mask = np.zeros((edge, edge), np.uint8)
        mask[at : at + 9, 4:20] = 255
        place = Affine(0.5, 0, 500_000 + 1000 * at, 0, -0.5, 5_000_000)
        how = {"transform": place} | options
        make_raster(np.stack([mask] * 3), name=f"images/s{at}.tif", **how)
        make_raster(mask, name=f"masks/s{at}.tif", **how)
        truth[f"s{at}"] = mask > 0
    return truth


def same(dataset, truth):
    """Every image is there once, with its mask, and is bright where that is set."""
    assert sorted(sheet.name for sheet in dataset.sheets) == sorted(truth)
    for sheet in dataset.sheets:
        assert np.array_equal(sheet.mask, truth[sheet.name])
        assert np.array_equal(sheet.image[0] > 0, truth[sheet.name])
    return {sheet.split for sheet in dataset.sheets}


def test_a_folder_of_images_and_masks_is_a_dataset(tmp_path, make_raster):
    """Pairs of the same stem; some are held out."""
    truth = write(tmp_path, make_raster)
    assert same(open_dataset(tmp_path), truth) == {"train", "validation", "test"}


def test_pairs_may_lie_in_one_folder(tmp_path, make_raster):
    """NAME.tif with NAME_mask.tif."""
    truth = write(tmp_path, make_raster)
    for name in truth:
        (tmp_path / "images" / f"{name}.tif").rename(tmp_path / f"{name}.tif")
        (tmp_path / "masks" / f"{name}.tif").rename(tmp_path / f"{name}_mask.tif")
    (tmp_path / "images").rmdir()
    (tmp_path / "masks").rmdir()
    same(open_dataset(tmp_path), truth)


def test_a_coco_file_is_a_dataset(tmp_path, make_raster):
    """Its polygons are the masks, its images lie beside it."""
    truth = write(tmp_path, make_raster)
    file = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "roof"}]}
    for at, name in enumerate(truth):
        file["images"].append({"id": at, "file_name": f"{name}.tif", "height": 32, "width": 32})
        corners = [[4, at, 20, at, 20, at + 9, 4, at + 9]]
        entry = {"id": at, "image_id": at, "category_id": 1, "segmentation": corners}
        file["annotations"].append(entry | {"bbox": [4, at, 16, 9], "area": 144, "iscrowd": 0})
    (tmp_path / "roofs.json").write_text(json.dumps(file))
    same(open_dataset(tmp_path / "roofs.json"), truth)
    file["images"][0]["height"] = 40
    (tmp_path / "roofs.json").write_text(json.dumps(file))
    with pytest.raises(TrainingError, match=r"s0\.tif: is \(32, 32\).*says \(40, 32\)"):
        open_dataset(tmp_path / "roofs.json")


def test_a_via_file_is_a_dataset(tmp_path, make_raster):
    """Its rectangles are the masks."""
    truth = write(tmp_path, make_raster)
    file = {}
    for at, name in enumerate(truth):
        shape = {"name": "rect", "x": 4, "y": at, "width": 16, "height": 9}
        regions = [{"shape_attributes": shape, "region_attributes": {}}]
        file[name] = {"filename": f"{name}.tif", "size": 1, "regions": regions}
    (tmp_path / "via.json").write_text(json.dumps(file))
    same(open_dataset(tmp_path / "via.json"), truth)


def test_run_lengths_are_a_dataset(tmp_path, make_raster):
    """A Kaggle file's rows are the masks; an image that is missing is told."""
    truth = write(tmp_path, make_raster)
    rows = ["ImageId,EncodedPixels"]
    for at, name in enumerate(truth):
        rows += [f"{name}," + " ".join(f"{col * 32 + at + 1} 9" for col in range(4, 20))]
    (tmp_path / "runs.csv").write_text("\n".join(rows))
    same(open_dataset(tmp_path / "runs.csv"), truth)
    (tmp_path / "runs.csv").write_text("\n".join([*rows, "s9,1 2"]))
    with pytest.raises(TrainingError, match="image s9 is not in"):
        open_dataset(tmp_path / "runs.csv")


def ortho(folder, make_raster, edge=256):
    """A raster with squares on a grid, and their outlines in degrees."""
    place = Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)
    mask = np.zeros((edge, edge), np.uint8)
    squares = []
    for row in range(8, edge - 24, 40):
        for col in range(8, edge - 24, 40):
            mask[row : row + 20, col : col + 20] = 255
            left, top = place @ (col, row)
            squares.append(shapely.box(left, top - 6, left + 6, top))
    image = make_raster(np.stack([mask] * 3), transform=place, name="ortho.tif", tiled=True,
                        blockxsize=64, blockysize=64)  # fmt: skip
    layer = gpd.GeoDataFrame(geometry=squares, crs="EPSG:32633").to_crs(4326)
    layer.to_file(folder / "roofs.gpkg")
    return image, folder / "roofs.gpkg", mask > 0


def test_a_raster_with_outlines_is_split_by_blocks_of_ground(tmp_path, make_raster):
    """What is held out is hidden from the training, and every pixel is of one split."""
    image, roofs, mask = ortho(tmp_path, make_raster)
    sheets = open_dataset(image, labels=roofs).sheets
    (train,) = (sheet for sheet in sheets if sheet.split == "train")
    assert train.sparse
    assert np.array_equal(train.mask, mask)
    held = [sheet for sheet in sheets if sheet.split != "train"]
    assert {sheet.split for sheet in held} == {"validation", "test"}
    assert sum(int(np.prod(sheet.shape)) for sheet in held) == (~train.valid).sum()
    assert 0.2 < (~train.valid).mean() < 0.45
    assert all(np.array_equal(sheet.image[0] > 0, sheet.mask) for sheet in held)


def test_what_chips_made_is_a_dataset(tmp_path, make_raster, capsys):
    """Its manifest gives the splits; each chip's mask is what was drawn there."""
    image, roofs, _ = ortho(tmp_path, make_raster, 512)
    chips = ["--tile", "64", "--block", "2", "-o", str(tmp_path / "set")]
    assert main(["chips", str(image), "--labels", str(roofs), *chips, "-q"]) == 0
    sheets = open_dataset(tmp_path / "set").sheets
    assert {sheet.split for sheet in sheets} == {"train", "validation", "test"}
    assert all(np.array_equal(sheet.image[0] > 0, sheet.mask) for sheet in sheets)
    manifest = tmp_path / "set" / "dataset.toml"
    manifest.write_text(re.sub(r"gsd = .*", "", manifest.read_text()))
    again = open_dataset(tmp_path / "set", Shown(gsd=9.0)).sheets
    assert all(sheet.gsd == pytest.approx(0.3, rel=1e-2) for sheet in again)


def test_a_class_raster_is_a_mask(tmp_path, make_raster):
    """0 ground, 1 building, 255 nodata, under a colour table: what `geounet masks` writes."""
    image, roofs, mask = ortho(tmp_path, make_raster)
    images = tmp_path / "images"
    images.mkdir()
    image.rename(images / "ortho.tif")
    made = ["masks", str(roofs), "--images", str(images), "-o", str(tmp_path / "masks"), "-q"]
    assert main(made) == 0
    train = open_dataset(tmp_path).sheets[0]
    assert np.array_equal(train.mask, mask)


def test_a_large_raster_is_never_read_whole(tmp_path, make_raster, monkeypatch):
    """Beyond what memory is for, chips are read window by window, and equal those from memory."""
    image, roofs, _ = ortho(tmp_path, make_raster, 512)
    held = open_dataset(image, labels=roofs).sheets
    monkeypatch.setattr(listing, "HELD", 100)
    lazy = open_dataset(image, labels=roofs).sheets
    (train,) = (sheet for sheet in lazy if sheet.split == "train")
    assert isinstance(train, Listed)
    shown = replace(PLAIN, gsd_range=(0.3, 0.3), augment=EVERYTHING)
    sheets = [sheet for sheet in held if sheet.split == "train"]
    one, two = ChipSampler(sheets, shown, 2), ChipSampler([train], shown, 2)
    assert all(equal(one.batch(step), two.batch(step)) for step in range(4))


def test_a_window_is_a_slice_of_the_whole(tmp_path, make_raster, monkeypatch):
    """Image, mask and valid of any crop are those of the whole image."""
    image, roofs, _ = ortho(tmp_path, make_raster)
    monkeypatch.setattr(listing, "HELD", 100)
    (train,) = (s for s in open_dataset(image, labels=roofs).sheets if s.split == "train")
    whole = train.loaded()
    for rows, cols in ((slice(0, 70), slice(13, 99)), (slice(200, 300), slice(60, 61))):
        for part, full in zip(train.crop(rows, cols), whole.crop(rows, cols), strict=True):
            assert np.array_equal(part, full)


def test_a_fingerprint_tells_other_data(tmp_path, make_raster, monkeypatch):
    """The same files give the same one, held or not; other pixels, outlines or splits another."""
    for most in (2**28, 100):
        monkeypatch.setattr(listing, "HELD", most)
        image, roofs, _ = ortho(tmp_path, make_raster)
        found = []
        for seed in (0, 0, 3):
            shown = Shown(split_seed=seed)
            sheets = open_dataset(image, shown, labels=roofs).sheets
            found.append([sheet.fingerprint() for sheet in sheets])
        ortho(tmp_path, make_raster, 296)
        found.append([sheet.fingerprint() for sheet in open_dataset(image, labels=roofs).sheets])
        assert found[0] == found[1]
        assert len({each[0] for each in found}) == 3


# --- splits ----------------------------------------------------------------------------------


def listed(names, **options):
    """Images that nobody opens."""
    given = {"path": "/none", "truth": None, "place": "here", "split": "train", "gsd": 0.3,
             "window": Window(0, 0, 10, 10), "bands": (1, 2, 3)} | options  # fmt: skip
    return [Listed(name=name, **given) for name in names]


def test_whole_images_are_resized_as_the_recipe_says():
    """Images by Lanczos, masks by the nearest pixel or softly, to the size of the recipe."""
    image = Image.fromarray(ramps().image[0]).resize((40, 40), Image.Resampling.LANCZOS)
    for way, soft in (("nearest", False), ("bilinear", True)):
        shown = Shown(size=40, batch_size=1, augment={}, mask_filter=way)
        batch = make_sampler([ramps()], shown, 0).batch(0)
        assert np.array_equal(batch.images[0, 0].numpy(), np.asarray(image, np.float32))
        assert batch.valid.all()
        assert bool(((batch.masks > 0) & (batch.masks < 1)).any()) == soft


def test_sorted_splits_follow_the_names_and_random_ones_the_seed():
    """60/20/20 in order; at random the same seed deals the same."""
    names = [f"{at:02}" for at in range(10)]
    shown = Shown(split="sorted", split_shares=(0.6, 0.2, 0.2))
    assert [one.split for one in deal(listed(names), shown)] == (
        ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    )
    drawn = [
        {one.name: one.split for one in deal(listed(names), random)}
        for random in (replace(shown, split="random", split_seed=seed) for seed in (42, 42, 7))
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert sorted(drawn[0].values()).count("train") == 6


def test_images_of_the_same_ground_are_of_one_split(tmp_path, make_raster):
    """Two pictures of one place never stand on both sides, whatever the seed."""
    write(tmp_path, make_raster, 10, transform=Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000))
    with pytest.raises(TrainingError, match="show the same ground"):
        open_dataset(tmp_path)
    for at in range(0, 10, 2):
        here = Affine(0.5, 0, 500_000 + 100 * at, 0, -0.5, 5_000_000)
        write_one(tmp_path, make_raster, at, here)
        write_one(tmp_path, make_raster, at + 1, here @ Affine.translation(8, 8))
    for seed in range(4):
        sheets = open_dataset(tmp_path, Shown(split_seed=seed)).sheets
        splits = {sheet.name: sheet.split for sheet in sheets}
        assert all(splits[f"s{at}"] == splits[f"s{at + 1}"] for at in range(0, 10, 2))


def write_one(folder, make_raster, at, place):
    """Write an image and its mask anew, elsewhere."""
    mask = np.zeros((32, 32), np.uint8)
    make_raster(np.stack([mask] * 3), name=f"images/s{at}.tif", transform=place)
    make_raster(mask, name=f"masks/s{at}.tif", transform=place)


# --- what is refused -------------------------------------------------------------------------


def test_all_faults_are_told_by_name_at_once(tmp_path, make_raster):
    """Unpaired, of another size, of other values, unreadable: one list, at once."""
    write(tmp_path, make_raster, 9)
    (tmp_path / "masks/s0.tif").unlink()
    (tmp_path / "images/s1.tif").unlink()
    make_raster(np.zeros((30, 32), np.uint8), name="masks/s2.tif")
    make_raster(np.full((32, 32), 7, np.uint8), name="masks/s3.tif")
    (tmp_path / "images/s4.tif").write_bytes(b"no raster")
    make_raster(np.zeros((3, 32, 32), np.uint16), name="images/s5.tif")
    (tmp_path / "images/s8.png").write_bytes((tmp_path / "images/s8.tif").read_bytes())
    whole = (tmp_path / "images/s6.tif").read_bytes()
    (tmp_path / "images/s6.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError) as caught:
        open_dataset(tmp_path)
    first, *faults = str(caught.value).splitlines()
    assert "faults, nothing was trained" in first
    told = "\n".join(sorted(faults))
    expected = ["s0.tif: has no mask", "s1.tif: has no image", "s2.tif: is (30, 32)"]
    expected += [
        "s8.tif: is called as s8.png is",
        "s3.tif: holds 7",
        "s4.tif",
        "s5.tif: has pixels of uint16",
        "s6.tif",
    ]
    for words in expected:
        assert words in told
    assert "s7.tif" not in told


def test_an_empty_split_is_refused(tmp_path, make_raster):
    """With too few images to hold any out, training does not begin."""
    with pytest.raises(TrainingError, match=r"no image is left for test \(2 in all"):
        deal(listed("ab"), Shown(split="sorted", split_shares=(0.5, 0.5, 0.01)))


@pytest.mark.parametrize(
    ("name", "words"),
    [("none", "is not there"), ("a.txt", "is no dataset"), ("o.tif", "name its outlines"),
     (".", "is no dataset"), ("x.json", "neither VIA nor COCO")],
)  # fmt: skip
def test_what_is_no_dataset_is_refused(tmp_path, make_raster, name, words):
    """One line says what was expected."""
    make_raster(np.zeros((3, 8, 8), np.uint8), name="o.tif")
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises((TrainingError, AnnotationError), match=words):
        open_dataset(tmp_path / name)


def test_a_raster_without_outlines_on_it_is_refused(tmp_path, make_raster):
    """Labels of another place are no labels."""
    _, roofs, _ = ortho(tmp_path, make_raster)
    far = make_raster(np.zeros((3, 64, 64), np.uint8), name="far.tif",
                      transform=Affine(0.3, 0, 600_000, 0, -0.3, 5_000_000))  # fmt: skip
    with pytest.raises(GeounetError, match="no outline"):
        open_dataset(far, labels=roofs)


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """The recipe `buildings` with a network that learns nothing, fast."""
    tiny = recipe("buildings")
    tiny = replace(tiny, chip=32, batch_size=2, network_options={"stem": 4, "filters": (4, 8)})
    monkeypatch.setitem(recipes.RECIPES, "buildings", tiny)
    return tiny


def test_a_handful_of_labels_tunes_a_model(tmp_path, make_raster, quick, capsys):
    """From an orthophoto and its outlines: before and after are told, the card says from what."""
    image, roofs, _ = ortho(tmp_path, make_raster)
    first, mine = tmp_path / "first.safetensors", tmp_path / "mine.safetensors"
    given = [str(image), "--labels", str(roofs), "--threads", "1", "--device", "cpu", "-q"]
    short = ["--steps", "3"]
    assert main(["train", *given, *short, "--recipe", "buildings", "-o", str(first)]) == 0
    assert "held out" not in capsys.readouterr().err
    assert main(["train", *given, *short, "--from", str(first), "-o", str(mine)]) == 0
    told = capsys.readouterr().err
    assert re.search(r"held out: iou 0\.\d+ → 0\.\d+", told)
    assert re.search(r"held out: f1 0\.\d+ → 0\.\d+", told)
    one, two = (load_model(path).network.state_dict() for path in (first, mine))
    assert all(torch.equal(one[key], two[key]) for key in one if "running" in key)
    assert any(not torch.equal(one[key], two[key]) for key in one)
    training = read_card(mine).training
    assert training["tuned"]["from"] == "first"
    assert training["tuned"]["on"] == "ortho.tif"
    assert training["recipe"]["learning_rate"] < quick.learning_rate
    assert "--labels roofs.gpkg" in training["command"]


def test_a_bad_dataset_ends_with_code_2_and_leaves_nothing(tmp_path, make_raster, capsys):
    """Each fault is told by the name of its file, and no model is written."""
    write(tmp_path, make_raster, 5)
    (tmp_path / "masks/s0.tif").unlink()
    (tmp_path / "images/s3.tif").unlink()
    assert main(["train", str(tmp_path), "-o", str(tmp_path / "m.safetensors"), "-q"]) == 2
    *faults, last = capsys.readouterr().err.splitlines()
    assert last.endswith("2 faults, nothing was trained; mend what is listed above")
    assert ["s0.tif: has no mask" in faults[0], "s3.tif: has no image" in faults[1]] == [True] * 2
    assert len(faults) == 2
    assert not list(tmp_path.glob("m.*"))
