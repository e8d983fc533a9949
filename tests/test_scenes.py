"""The sample scenes keep their promises."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.features import rasterize

from geounet.errors import OptionError, OutputError, TargetError
from geounet.scenes import storm, town, write_samples
from geounet.scenes.canvas import Sun
from geounet.scenes.plan import plan_town
from geounet.scenes.render import render
from geounet.scenes.town import ragged

SIZE = 320


@cache
def scene(seed=3):
    """Return a small town."""
    return town(SIZE, seed)


@cache
def pair(seed=3):
    """Return a small storm pair."""
    return storm(SIZE, seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of samples."""
    path = tmp_path_factory.mktemp("samples")
    write_samples(path, size=SIZE, seed=3)
    return path


def test_same_seed_same_pixels():
    """The same size and seed give the same pixels and outlines."""
    again = town(SIZE, 3)
    assert np.array_equal(again.image, scene().image)
    assert again.buildings == scene().buildings


def test_another_seed_another_town():
    """Another seed gives another town."""
    assert not np.array_equal(scene(4).image, scene().image)


def test_mask_is_the_rasterised_truth():
    """The mask is the truth polygons, pixel middles inside."""
    burnt = rasterize(scene().buildings, out_shape=(SIZE, SIZE)).astype(bool)
    assert np.array_equal(burnt, scene().mask)
    assert 0.02 < scene().mask.mean() < 0.6


@pytest.mark.parametrize("seed", range(3, 6))
def test_truth_is_valid_and_apart(seed):
    """Truth polygons are valid, inside the picture, and none overlaps another."""
    outlines = np.array(scene(seed).buildings)
    assert shapely.is_valid(outlines).all()
    assert shapely.covers(shapely.box(0, 0, SIZE, SIZE).buffer(1e-6), outlines).all()
    left, right = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    shared = shapely.area(shapely.intersection(outlines[left], outlines[right]))
    assert shared[left != right].max(initial=0) == 0


def test_nodata_is_zero_and_nothing_else():
    """Invalid pixels are 0, valid ones at least 1, no building stands in nodata, both occur."""
    image, valid = scene().image, scene().valid
    assert (image[:, ~valid] == 0).all()
    assert image[:, valid].min() >= 1
    assert not (scene().mask & ~valid).any()
    assert 0.8 < valid.mean() < 1


def test_the_edge_is_ragged():
    """Whatever the seed, some of the picture is nodata, and most of it is not."""
    for seed in range(60):
        data = ragged(512, np.random.default_rng(seed))
        assert data.is_valid
        assert 0.7 < data.area / 512**2 < 0.997


def test_tiles_leave_no_seams(monkeypatch):
    """The picture does not depend on the tiles it is painted in."""
    plan = plan_town(96.0, np.random.default_rng(1))
    sun = Sun(azimuth=150, elevation=40)
    whole = render(plan, 320, sun)
    monkeypatch.setattr("geounet.scenes.render._TILE", 128)
    assert np.abs(render(plan, 320, sun) - whole).max() < 0.02


def test_shadows_fall_away_from_the_sun():
    """A scene lit from the south is darker just north of its buildings than south of them."""
    plan = plan_town(120.0, np.random.default_rng(5))
    light = render(plan, 400, Sun(azimuth=180, elevation=35)).mean(0)
    outlines = [building.outline for building in plan.filling.buildings]
    mask = rasterize(outlines, out_shape=(400, 400), transform=rasterio.Affine.scale(0.3))
    mask = mask.astype(bool)
    north = np.roll(mask, -6, axis=0) & ~mask
    south = np.roll(mask, 6, axis=0) & ~mask
    assert light[north].mean() < 0.8 * light[south].mean()


def test_all_grades_occur():
    """A storm leaves buildings of every grade, and as many grades as outlines."""
    assert set(pair().damage) == {"none", "minor", "major", "destroyed"}
    assert len(pair().damage) == len(pair().buildings)


def test_misregistration():
    """The second flight is 1 to 3 m off."""
    for seed in (3, 4, 5):
        assert 1 <= np.hypot(*pair(seed).shift_m) <= 3


def test_misregistration_can_be_measured():
    """The stated shift is that of the pixels: undoing it is better than leaving it."""
    east, south = pair().shift_m
    before = pair().before.mean(0)
    after = pair().after.mean(0)
    rows, cols = np.indices((150, 150)) + 20

    def agreement(shift_east, shift_south):
        source_rows = ((rows + 0.5) * 0.5 - shift_south) / 0.3
        source_cols = ((cols + 0.5) * 0.5 - shift_east) / 0.3
        moved = before[source_rows.astype(int), source_cols.astype(int)]
        return np.corrcoef(moved.ravel(), after[20:170, 20:170].ravel())[0, 1]

    assert agreement(east, south) > agreement(0, 0)
    assert agreement(east, south) > agreement(-east, -south)


@pytest.mark.parametrize(
    ("name", "gsd"), [("town.tif", 0.3), ("storm_pre.tif", 0.3), ("storm_post.tif", 0.5)]
)
def test_rasters_open(folder, name, gsd):
    """Each raster is a COG in UTM with its GSD and nodata 0."""
    with rasterio.open(folder / name) as raster:
        assert raster.crs.to_epsg() == 32633
        assert raster.res == pytest.approx((gsd, gsd))
        assert raster.nodata == 0
        assert raster.count == 3
        assert raster.dtypes[0] == "uint8"
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


@pytest.mark.parametrize(("name", "fields"), [("town", []), ("storm", ["damage"])])
def test_truth_opens(folder, name, fields):
    """Each truth is a GeoPackage layer of polygons in the rasters' CRS and place."""
    info = pyogrio.read_info(folder / f"{name}_truth.gpkg", layer="buildings")
    assert list(info["fields"]) == fields
    assert info["crs"] == "EPSG:32633"
    raster = "town.tif" if name == "town" else "storm_pre.tif"
    with rasterio.open(folder / raster) as opened:
        left, bottom, right, top = opened.bounds
    x0, y0, x1, y1 = info["total_bounds"]
    assert left - 1e-6 <= x0 < x1 <= right + 1e-6
    assert bottom - 1e-6 <= y0 < y1 <= top + 1e-6


def test_nothing_but_the_files(folder):
    """The folder holds the five files and no leftovers."""
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "storm_post.tif",
        "storm_pre.tif",
        "storm_truth.gpkg",
        "town.tif",
        "town_truth.gpkg",
    ]


def test_unwritable_folder(tmp_path):
    """Where no folder can be, an OutputError is raised and nothing is left."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_samples(tmp_path / "file" / "samples", size=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_exists_is_not_replaced(tmp_path, monkeypatch):
    """A town.tif of somebody's own stays, unless it was said that it may go."""
    monkeypatch.setattr("geounet.scenes.write.town", lambda *_: scene())
    monkeypatch.setattr("geounet.scenes.write._write_storm", lambda _, paths: _touch(paths))
    monkeypatch.setattr("geounet.scenes.write.storm", lambda *_: None)
    own = tmp_path / "town.tif"
    own.write_bytes(b"mine")
    with pytest.raises(TargetError, match=r"town.tif: exists already; pass --overwrite"):
        write_samples(tmp_path, size=SIZE)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]
    write_samples(tmp_path, size=SIZE, overwrite=True)
    assert own.read_bytes() != b"mine"


def _touch(paths):
    for path in paths:
        path.touch()


def test_failure_midway(tmp_path, monkeypatch):
    """When the last file fails, none of the five is left behind."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("geounet.scenes.write._write_truth", fail)
    monkeypatch.setattr("geounet.scenes.write.town", lambda *_: scene())
    with pytest.raises(OutputError, match=r"(?i)no space left"):
        write_samples(tmp_path, size=SIZE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("size", "seed"), [(255, 0), (8193, 0), (512, -1)])
def test_out_of_range(tmp_path, size, seed):
    """Sizes outside 256 to 8192 and negative seeds are refused before any work."""
    with pytest.raises(OptionError, match="got"):
        write_samples(tmp_path, size=size, seed=seed)


def test_damage_can_be_seen():
    """Between the flights, wrecked buildings change more than those left whole."""
    storms = storm(640, 2)
    east, south = storms.shift_m
    before, after = (picture.mean(0) for picture in (storms.before, storms.after))
    rows, cols = np.indices(before.shape)
    rows = np.clip((((rows + 0.5) * 0.3 + south) / 0.5).astype(int), 0, len(after) - 1)
    cols = np.clip((((cols + 0.5) * 0.3 + east) / 0.5).astype(int), 0, len(after) - 1)
    change = np.abs(after[rows, cols] / after.mean() - before / before.mean())

    def seen(*grades):
        pairs = zip(storms.buildings, storms.damage, strict=True)
        outlines = [outline for outline, grade in pairs if grade in grades]
        return change[rasterize(outlines, out_shape=before.shape).astype(bool)].mean()

    assert seen("destroyed", "major") > 1.3 * seen("none")
    assert seen("minor") > seen("none")


def test_sample_data_is_fresh():
    """The committed town is the one its README's command draws, and each file is under 1 MB."""
    committed = Path(__file__).parent.parent / "sample_data"
    with rasterio.open(committed / "town.tif") as raster:
        difference = raster.read().astype(float) - town(512, 7).image
    assert np.abs(difference).mean() < 0.5
    assert all(path.stat().st_size < 1_000_000 for path in committed.iterdir())
