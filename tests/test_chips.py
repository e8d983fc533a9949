"""Rules of datasets: chips are what they were cut from, and no ground is in two splits."""

from __future__ import annotations

import csv

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from conftest import UTM
from geounet.cli.main import main
from hypothesis import given
from hypothesis import strategies as st

from geounet.chipset import write_manifest
from geounet.places import assign
from geounet.training.dataset import load_sheets, read_manifest

SPLITS = ("train", "validation", "test")


@pytest.fixture
def scene(make_raster, tmp_path):
    """An image with nodata in one corner, 300 by 420 pixels, and houses on it in degrees."""
    rng = np.random.default_rng(0)
    image = rng.integers(1, 255, (3, 300, 420)).astype(np.uint8)
    image[:, :70, :70] = 0
    raster = make_raster(image, nodata=0, name="scene.tif")
    corners = rng.integers(0, (400, 280), (60, 2))
    houses = [shapely.box(x, y, x + 9, y + 7) for x, y in corners]
    placed = [shapely.Polygon([tuple(UTM @ xy) for xy in h.exterior.coords]) for h in houses]
    table = geopandas.GeoDataFrame({"kind": "house"}, geometry=placed, crs="EPSG:32633",
                                   index=range(60))  # fmt: skip
    table.to_crs("EPSG:4326").to_file(tmp_path / "labels.geojson")
    truth = rasterio.features.rasterize(houses, (300, 420), dtype="uint8")
    return raster, tmp_path / "labels.geojson", image, truth


def run(scene, out, *words, more=()):
    """Exit code and the rows of the table."""
    code = main(["chips", str(scene[0]), *map(str, more), "--labels", str(scene[1]), "-o",
                 str(out), "--tile", "64", "--block", "1", "-q", *words])  # fmt: skip
    if code:
        return code, []
    with (out / "chips.csv").open() as file:
        return code, list(csv.DictReader(file))


def test_chips_are_what_they_were_cut_from(scene, tmp_path):
    """Pixels, place, valid mask and labels; what lies beyond the raster is transparent."""
    _, _, image, truth = scene
    code, rows = run(scene, tmp_path / "out")
    assert code == 0
    wide = np.pad(image, ((0, 0), (0, 84), (0, 92)))
    labels = np.pad(truth, ((0, 84), (0, 92))) * (wide.max(axis=0) > 0)
    built = 0
    for row in rows:
        top, left = int(row["row"]), int(row["col"])
        here = slice(top, top + 64), slice(left, left + 64)
        folder = tmp_path / "out" / row["split"]
        with rasterio.open(folder / "images" / row["chip"]) as chip:
            assert (chip.read((1, 2, 3)) == wide[:, *here]).all()
            assert (chip.dataset_mask() > 0).mean() == pytest.approx(float(row["valid"]), abs=1e-4)
            assert tuple(chip.transform @ (0, 0)) == tuple(UTM @ (left, top))
            assert chip.crs.to_epsg() == 32633
        with rasterio.open(folder / "masks" / row["chip"]) as mask:
            found = mask.read(1)
        assert np.count_nonzero(found != labels[here]) <= 3  # degrees and back
        built += int(found.sum())
    assert built > 1500
    assert {int(row["valid"] == "1.0") for row in rows} == {0, 1}
    assert all(float(row["valid"]) >= 0.5 for row in rows)
    assert len(rows) == 5 * 7 - 2  # one corner has no data, the other reaches out too far


def test_training_takes_the_dataset(scene, tmp_path):
    """The manifest lists each chip once, with its split, its valid pixels and its mask."""
    _, rows = run(scene, tmp_path / "out")
    sheets = list(load_sheets(tmp_path / "out", read_manifest(tmp_path / "out" / "dataset.toml")))
    assert sorted((f"{s.name}.tif", s.split) for s in sheets) == sorted(
        (row["chip"], row["split"]) for row in rows
    )
    assert {sheet.split for sheet in sheets} == set(SPLITS)
    assert sheets[0].gsd == pytest.approx(0.5, abs=1e-3)
    shares = {f"{s.name}.tif": (s.valid.mean(), s.mask.mean()) for s in sheets}
    for row in rows:
        expected = float(row["valid"]), float(row["built"])
        assert shares[row["chip"]] == pytest.approx(expected, abs=1e-4)


def ground(row, path):
    """The ground of a chip, a little shrunk."""
    with rasterio.open(path / row["split"] / "images" / row["chip"]) as chip:
        corners = [chip.transform @ xy for xy in ((1, 1), (63, 1), (63, 63), (1, 63))]
        shape = geopandas.GeoSeries([shapely.Polygon(corners)], crs=chip.crs)
    return shape.to_crs("EPSG:32633")[0]


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3857"])
def test_no_ground_is_in_two_splits(scene, make_raster, tmp_path, crs, capsys):
    """Rasters that show the same ground on other grids, even in another CRS, leak nothing."""
    step, corner = 0.4, UTM @ (3, 5)
    other = Affine(step, 0, corner[0], 0, -step, corner[1])
    if crs == "EPSG:3857":
        move = geopandas.GeoSeries([shapely.Point(corner)], crs="EPSG:32633").to_crs(crs)[0]
        other = Affine.translation(move.x, move.y) @ Affine.rotation(9) @ Affine.scale(step, -step)
    image = np.full((3, 380, 500), 9, np.uint8)
    make_raster(image, transform=other, crs=crs, name="other.tif")
    words = ["--split", "0.5,0.25,0.25", "--seed", "3"]
    code, rows = run(scene, tmp_path / "out", *words, more=[tmp_path / "other.tif"])
    assert code == 0
    grounds = [(row["split"], ground(row, tmp_path / "out")) for row in rows]
    assert {row["raster"] for row in rows} == {"scene", "other"}
    for at, (split, one) in enumerate(grounds):
        for other_split, another in grounds[:at]:
            assert split == other_split or not one.intersects(another)


@given(
    st.dictionaries(
        st.tuples(st.integers(-9, 9), st.integers(-9, 9)), st.integers(1, 9), min_size=1
    ),
    st.integers(0, 5),
)
def test_blocks_come_close_to_the_shares(blocks, seed):
    """Every block has one split; no split is more than a block away from its share."""
    splits = assign(blocks, (0.6, 0.4, 0), seed)
    assert splits == assign(dict(reversed(blocks.items())), (0.6, 0.4, 0), seed)
    assert set(splits) == set(blocks)
    held = np.bincount([splits[block] for block in blocks], list(blocks.values()), 3)
    assert held[2] == 0
    assert abs(held[0] - 0.6 * held.sum()) <= max(blocks.values())


def test_other_pixels_are_stretched_to_eight_bits(scene, make_raster, tmp_path, capsys):
    """16 bits stay as they are, and training refuses them; with --scale they become 8."""
    deep = make_raster(scene[2].astype(np.uint16) * 100, nodata=0, name="deep.tif")
    code, _ = run((deep, scene[1]), tmp_path / "raw")
    assert code == 0
    words = ["train", str(tmp_path / "raw"), "-o", str(tmp_path / "m.safetensors"), "-q"]
    assert main(words) == 2
    assert "has pixels of uint16 (expected 8 bits)" in capsys.readouterr().err
    code, rows = run((deep, scene[1]), tmp_path / "out", "--scale", "0,25500")
    assert code == 0
    row = next(row for row in rows if row["valid"] == "1.0")
    with rasterio.open(tmp_path / "out" / row["split"] / "images" / row["chip"]) as chip:
        top, left = int(row["row"]), int(row["col"])
        assert (chip.read() == scene[2][:, top : top + 64, left : left + 64]).all()


def test_an_existing_dataset_is_replaced_only_when_asked(scene, tmp_path, capsys):
    """And a folder that is none never; nothing is left of a run that failed."""
    out = tmp_path / "out"
    assert run(scene, out, "--sheet", str(tmp_path / "look.png"))[0] == 0
    assert (tmp_path / "look.png").stat().st_size > 1000
    before = sorted(path.name for path in out.rglob("*"))
    assert run(scene, out)[0] == 2
    assert run(scene, out, "--seed", "4", "--overwrite")[0] == 0
    assert sorted(path.name for path in out.rglob("*.tif")) != []
    assert run(scene, out, "--overwrite")[0] == 0
    assert sorted(path.name for path in out.rglob("*")) == before
    (tmp_path / "other").mkdir()
    assert run(scene, tmp_path / "other", "--overwrite")[0] == 2
    capsys.readouterr()
    assert run(scene, tmp_path / "few", "--block", "9")[0] == 2
    assert "no chip is left for validation" in capsys.readouterr().err
    assert not (tmp_path / "few").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--split", "0,1,1"], "shares must be 0 or more"),
        (["--split", "1,nan,0"], "shares must be 0 or more"),
        (["--scale", "5,5"], "scale runs from black up to white"),
        (["--layer", "roofs"], "has no layer roofs"),
        (["--bands", "9"], "has no band 9"),
    ],
)
def test_what_makes_no_dataset_is_one_line(scene, tmp_path, capsys, words, told):
    """Cause, exit code 2, and no folder."""
    assert run(scene, tmp_path / "out", *words)[0] == 2
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_chips_of_a_very_wide_raster_are_all_listed(tmp_path):
    """A place of more than six digits is one that the manifest looks for."""
    rows = [{"raster": "a", "split": "train", "row": 0, "col": col} for col in (0, 1_000_448)]
    write_manifest(tmp_path / "dataset.toml", rows, {"a": 0.3})
    (table,) = read_manifest(tmp_path / "dataset.toml").tables
    assert table["only"] == ["a_??????_??????", "a_??????_???????"]
