"""Rules of the dry run: what predict would do, all that speaks against it; nothing is written."""

from __future__ import annotations

import json
import re

import pytest
import rasterio
from geounet.cli.main import main
from geounet.cli.plan import command as plan_command
from geounet.cli.predict import command as predict_command
from torture import makers
from torture.run import snapshot

from geounet.backends.machine import free_memory, memory
from geounet.errors import OptionError
from geounet.forecast.reasons import Reasons


def framed(array):
    """A picture in a black frame."""
    array[:, :9] = array[:, -9:] = 0
    return array


def told(capfd, *words):
    """The code and the JSON object of a plan."""
    code = main(["plan", *map(str, words), "--json", "-q"])
    return code, json.loads(capfd.readouterr().out)


def same(planned, made):
    """Whether a plan says what a run did."""
    keys = ("pixels", "tile", "halo", "backend", "precision", "device", "model")
    assert {key: planned[key] for key in keys} == {key: made[key] for key in keys}
    assert planned["tiles"] == made["tiles"] + made["tiles_skipped"]
    off = abs(planned["tiles_skipped"] - made["tiles_skipped"])
    assert off <= (0.05 * planned["tiles"] if "some" in planned["skipped_by"] else 0)


@pytest.mark.parametrize(
    "kind", ["whole", "sparse", "nodata", "overview", "resampled", "box", "otsu"]
)
def test_the_plan_is_what_the_run_does(tmp_path, capfd, bright, kind):
    """Tiles, those without data, engine and grid are the run's own, whatever the raster."""
    image = makers.houses(3, (300, 330))
    more = ["-m", "otsu"] if kind == "otsu" else ["-m", bright]
    more += ["--tile", "96" if kind == "otsu" else "32", "--halo", "8"]
    how = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    if kind in ("nodata", "overview"):
        image[:, 100:, 100:] = 0
        how["nodata"] = 0
    if kind == "resampled":
        more += ["--gsd", "0.5"]
    if kind == "box":
        more += ["--bbox", "500010,4999950,500040,4999990"]
    if kind == "sparse":
        makers.sparse(3000, 3000)(tmp_path)
    else:
        path = makers.write(tmp_path / "a.tif", image, **how)
        if kind == "overview":
            with rasterio.open(path, "r+") as target:
                target.build_overviews([2, 4])
    code, found = told(capfd, tmp_path / "a.tif", "-o", tmp_path / "o.gpkg", *more)
    assert code == 0, found
    (planned,) = found["scenes"]
    assert (
        main(
            [
                "predict",
                str(tmp_path / "a.tif"),
                "-o",
                str(tmp_path / "o.gpkg"),
                "--json",
                "-q",
                *map(str, more),
            ]
        )
        == 0
    )
    made = json.loads(capfd.readouterr().out)
    same(planned, made)
    assert planned["seconds"] > 0
    assert planned["memory_bytes"] > 0


def test_rows_without_data_are_not_what_reading_costs(tmp_path, capfd, bright, monkeypatch):
    """Where the data of a tile lies below the rows that are read to time it, no time is made up."""
    monkeypatch.setattr("geounet.forecast.pace.READ", 330 * 16)
    image = makers.houses(3, (300, 330))
    image[:, :270] = 0
    makers.write(tmp_path / "a.tif", image, tiled=True, blockxsize=16, blockysize=16, nodata=0)
    words = tmp_path / "a.tif", "-m", bright, "--tile", "288", "--halo", "8"
    code, found = told(capfd, *words)
    assert code == 0, found
    assert found["scenes"][0]["seconds"] < 60


@pytest.fixture
def bright(tmp_path_factory):
    """A point-wise model on disk."""
    from test_promises import bright as write  # noqa: PLC0415

    return write(tmp_path_factory.mktemp("model") / "bright.safetensors", 4.0)


def test_it_takes_the_options_of_predict():
    """All but those of shares, by its very object: the answer is about that run."""
    own = {param.name: param for param in plan_command.params}
    for param in predict_command.params:
        assert (param.name in own) != (param.name in ("shard", "parts"))
        if param.name not in ("inputs", "out", "shard", "parts"):
            assert own[param.name] is param


def test_all_reasons_are_told_at_once(tmp_path, capfd, bright):
    """Not only the first: output, CRS, pixel type and bands, each with its cure."""
    makers.write(
        tmp_path / "a.tif", makers.houses(5, dtype="uint16"), photometric="MINISBLACK", alpha="NO"
    )
    (tmp_path / "o.gpkg").write_text("mine")
    code, found = told(
        capfd, tmp_path / "a.tif", "-o", tmp_path / "o.gpkg", "-m", bright, "--crs", "EPSG:0"
    )
    assert code == 2
    assert found["refused"] == 1
    refused = "\n".join(found["scenes"][0]["refused"])
    for words in ("--overwrite", "--bands 1,2,3", "--scale", "EPSG:0"):
        assert words in refused


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (makers.raster(change=lambda array: array // 8 + 20), "looks flat; --scale"),
        (makers.raster(crs=None), "has no CRS"),
        (makers.raster(change=framed), "marks no nodata, yet its corners are 0"),
        (makers.sparse(500, 500), "holds no data"),
    ],
)  # fmt: skip
def test_what_a_user_should_know_is_told(tmp_path, capfd, bright, make, words):
    """A flat picture, no CRS, a nodata nobody marked, no data at all: it would run, yet."""
    make(tmp_path)
    _, found = told(capfd, tmp_path / "a.tif", "-m", bright)
    scene = found["scenes"][0]
    assert re.search(words, "\n".join(scene["minded"] + scene["refused"]))


def test_nothing_is_written(tmp_path, capfd, bright, monkeypatch):
    """No output, no state, no folder for several."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("a.tif", "b.tif"):
        makers.raster(name)(tmp_path / "in")
    before = snapshot(tmp_path)
    assert told(capfd, tmp_path / "in", "-o", tmp_path / "maps", "-m", bright)[0] == 0
    assert told(capfd, tmp_path / "in", "-m", bright)[0] == 0
    assert snapshot(tmp_path) == before


def test_several_are_summed(tmp_path, capfd, bright):
    """A table on request, one bad raster told by its name, the rest planned all the same."""
    makers.raster("a.tif")(tmp_path)
    makers.raster("b.tif", shape=(80, 50))(tmp_path)
    (tmp_path / "c.tif").write_text("hello")
    code, found = told(capfd, tmp_path, "-m", bright)
    assert code == 2
    assert found["pixels"] == 40 * 50 + 80 * 50
    assert [scene["runs"] for scene in found["scenes"]] == [True, True, False]
    assert main(["plan", str(tmp_path), "-q", "-m", str(bright)]) == 2
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 1 + 3 + 1
    assert "3 in all" in lines[-1]


def test_a_project_of_a_raster_without_a_place_is_refused(tmp_path, capfd, bright):
    """By plan, predict, and the merge of its parts alike."""
    makers.raster(crs=None, transform=None)(tmp_path)
    words = [tmp_path / "a.tif", "-m", bright, "-o", tmp_path / "o.gpkg", "-q"]
    project = ["--project", tmp_path / "o.qgz"]
    code, words_told = told(capfd, *words[:-1], *project)
    assert code == 2
    assert "has no place" in words_told["scenes"][0]["refused"][0]
    assert main(["predict", *map(str, words), "--shard", "1/1"]) == 0
    for command in (["predict", *words], ["merge", tmp_path / "o.gpkg", "-o", *words[-2:]]):
        assert main([*map(str, command + project)]) == 2
        assert "has no place" in capfd.readouterr().err


def test_reasons_are_heard_once():
    """The same words twice are one reason."""
    reasons = Reasons()
    for _ in range(2):
        with reasons.heard():
            raise OptionError("no; yes")
    assert reasons.refused == ["no; yes"]


def test_memory_of_the_machine_is_known():
    """What is free is part of what is there."""
    there, free = memory(), free_memory()
    assert there is None or there > 1e8
    assert None in (there, free) or free <= there
