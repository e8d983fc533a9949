"""The promises of docs/promises.md, each kept by the installed commands from end to end."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
import torch
from affine import Affine
from conftest import UTM
from geounet.cli.main import main
from torture import makers, models, rasters, vrts
from torture.run import snapshot

from geounet.card import ModelCard
from geounet.footprints.outlines import workers
from geounet.infer import Batcher
from geounet.model import Segmenter, save_model
from geounet.networks.registry import build
from geounet.options import PredictOptions
from geounet.plan import PlanOptions
from geounet.predict import predict
from geounet.records import Records
from geounet.result import peak_memory

ROOT = Path(__file__).parents[1]
PROMISES = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
GEOUNET = Path(sys.executable).with_name("geounet")


@pytest.fixture
def model(tmp_path):
    """A point-wise model on disk: bright pixels are buildings."""
    return bright(tmp_path / "bright.safetensors", 4.0)


def bright(path, weight):
    """Write a point-wise model with one weight."""
    network = build("pointwise", {})
    torch.nn.init.constant_(network.head.weight, weight)
    torch.nn.init.constant_(network.head.bias, 0.0)
    card = ModelCard(name="bright", network="pointwise", receptive_field=0, bytes_per_pixel=64)
    save_model(path, Segmenter(card, network))
    return path


@pytest.fixture
def scene(tmp_path):
    """The only raster of a folder: dark, with one bright house of 10 by 16 pixels and more."""
    (tmp_path / "in").mkdir()
    return makers.write(tmp_path / "in/a.tif", makers.houses())


@pytest.fixture
def noisy(tmp_path):
    """A raster with thousands of tiny houses, in many tiles of 32."""
    (tmp_path / "in").mkdir(exist_ok=True)
    image = np.random.default_rng(3).choice([30, 220], (1, 150, 170)).astype(np.uint8)
    return makers.write(tmp_path / "in/n.tif", np.repeat(image, 3, axis=0))


def words(raster, out, model, *more):
    """The words of a prediction."""
    return ["predict", str(raster), "-o", str(out), "-m", str(model), "-q", *map(str, more)]


def tables(path):
    """All that a GeoPackage holds, as text."""
    with closing(sqlite3.connect(path)) as file:
        names = [
            row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return {n: file.execute(f'SELECT * FROM "{n}"').fetchall() for n in sorted(names)}  # noqa: S608


def test_nothing_half_written_at_the_final_path(noisy, model, tmp_path):
    """Looked at all the time, an output is absent or whole."""
    out, over, seen = tmp_path / "o.gpkg", threading.Event(), []

    def look():
        while not over.wait(0.001):
            if out.exists():
                seen.append(len(tables(out)["buildings"]))

    thread = threading.Thread(target=look)
    thread.start()
    code = main(words(noisy, out, model, "--tile", 32))
    time.sleep(0.05)
    over.set()
    thread.join()
    assert code == 0
    assert set(seen) == {len(geopandas.read_file(out, layer="buildings"))}
    assert {path.name for path in tmp_path.iterdir()} == {"in", "o.gpkg", model.name}


def test_an_earlier_output_survives_a_failed_overwrite(scene, model, tmp_path):
    """What stood there stands there still, byte for byte."""
    out = tmp_path / "o.gpkg"
    assert main(words(scene, out, model)) == 0
    before = out.read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(scene.read_bytes()[:-900])
    assert main(words(cut, out, model, "-f")) == 2
    assert out.read_bytes() == before


def test_resume_gives_what_an_uninterrupted_run_gives(noisy, model, tmp_path):
    """The same pixels and the same tables after a death in the middle."""
    whole, torn = tmp_path / "whole.gpkg", tmp_path / "torn.gpkg"
    sides = ("--probability", tmp_path / "whole.tif")
    assert main(words(noisy, whole, model, "--tile", 32, *sides)) == 0

    def die(done, _):
        if done == 20:
            raise KeyboardInterrupt

    plan = PlanOptions(tile=32)
    options = PredictOptions(model=(str(model),), plan=plan, probability=tmp_path / "torn.tif")
    with pytest.raises(KeyboardInterrupt):
        predict(str(noisy), torn, options, die)
    again = ("--resume", "--probability", tmp_path / "torn.tif")
    assert main(words(noisy, torn, model, "--tile", 32, *again)) == 0
    assert (tmp_path / "torn.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert tables(torn)["buildings"] == tables(whole)["buildings"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_is_clean(noisy, model, tmp_path, capfd, monkeypatch, number, code):
    """The documented code, one line, nothing left but the state."""
    rest, runs = Batcher.run, iter(range(10**6))

    def run(self, source, tiles):
        if next(runs) == 3:
            signal.raise_signal(number)
        return rest(self, source, tiles)

    monkeypatch.setattr(Batcher, "run", run)
    assert main(words(noisy, tmp_path / "o.gpkg", model, "--tile", 32)) == code
    assert capfd.readouterr().err.strip().count("\n") == 0
    left = {path.name for path in tmp_path.iterdir()} - {"in", model.name}
    assert left <= {"o.gpkg.state"}


def test_a_dead_worker_is_noticed(noisy, model, tmp_path, capfd, monkeypatch):
    """A worker that dies ends the run in one line, and no map is made."""
    monkeypatch.setattr(workers, "WORTHWHILE", 1)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    monkeypatch.setattr(workers, "COMMAND", "import os; os.kill(os.getpid(), 9)")
    assert main(words(noisy, tmp_path / "o.gpkg", model, "--min-pixels", 1)) == 1
    err = capfd.readouterr().err
    assert re.search("a worker that draws outlines ended", err)
    assert err.count("\n") == 1
    assert not (tmp_path / "o.gpkg").exists()


def test_disk_full_is_an_error(noisy, model, tmp_path, capfd, monkeypatch):
    """Before the start where it is plain, else in the middle; an earlier output stays."""
    out = tmp_path / "o.gpkg"
    assert main(words(noisy, out, model, "--tile", 32)) == 0
    before = out.read_bytes()
    usage = (10**9, 10**9 - 1000, 1000)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": usage[2]})())
        assert main(words(noisy, out, model, "--tile", 32, "-f")) == 1
    assert "its disk is full" in capfd.readouterr().err

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))

    monkeypatch.setattr(Records, "append", full)
    assert main(words(noisy, out, model, "--tile", 32, "-f")) == 1
    assert "no space left on device" in capfd.readouterr().err
    assert out.read_bytes() == before


def test_memory_is_bounded(model, tmp_path):
    """A raster of 1.7 GB takes a small part of that."""
    (tmp_path / "in").mkdir()
    makers.sparse(24_000, 24_000)(tmp_path / "in")
    before = peak_memory()
    assert main(words(tmp_path / "in/a.tif", tmp_path / "o.gpkg", model)) == 0
    assert peak_memory() - before < 600e6


@pytest.mark.parametrize("codec", ["deflate", "lzw", "jpeg", "zstd"])
def test_a_damaged_raster_is_an_error(model, tmp_path, capfd, codec):
    """A file cut short is refused with its name and the rows, and no map is made."""
    cut = makers.spoilt(lambda data: data[:-300], shape=(96, 80), compress=codec, tiled=True,
                        blockxsize=16, blockysize=16)  # fmt: skip
    cut(tmp_path)
    assert main(words(tmp_path / "a.tif", tmp_path / "o.gpkg", model)) == 2
    assert re.search(r"a\.tif: (cannot be read|is truncated)", capfd.readouterr().err)
    assert not (tmp_path / "o.gpkg").exists()


def test_a_missing_vrt_source_is_an_error(model, tmp_path, capfd):
    """Never zeros."""
    (tmp_path / "a.vrt").write_text(vrts.vrt("b.tif", "gone.tif"))
    for more in ((), ("--allow-vrt",)):
        assert main(words(tmp_path / "a.vrt", tmp_path / "o.gpkg", model, *more)) == 2
        assert "gone.tif" in capfd.readouterr().err


def test_no_other_file_is_read_and_no_network(loopback, model, tmp_path):
    """What a VRT, or XML under another name, points at is neither opened nor asked for."""
    asked = loopback.hits
    far = f"/vsicurl/{loopback.url}/a"
    for text in (vrts.vrt("b.tif", "/etc/hostname"), vrts.vrt("b.tif", far),
                 vrts.WMS.replace("{url}", loopback.url)):  # fmt: skip
        for name in ("a.vrt", "a.tif"):
            (tmp_path / name).write_text(text)
            assert main(words(tmp_path / name, tmp_path / "o.gpkg", model)) == 2
    assert loopback.hits == asked


def test_a_model_file_cannot_run_code(scene, tmp_path, monkeypatch):
    """A payload that leaves a marker where it is opened leaves none."""
    monkeypatch.chdir(tmp_path)
    for suffix in ("pt", "pth", "safetensors", "onnx"):
        path = tmp_path / f"m.{suffix}"
        for value in (models.Payload(), models.Indirect(), {"a": models.Payload()}):
            torch.save(value, path)
            assert main(words(scene, tmp_path / "o.gpkg", path)) == 2
            line = ["models", "import", str(path), "-o", str(tmp_path / "n.safetensors")]
            assert main([*line, *models.IMPORT]) == 2
    assert not (tmp_path / "marker").exists()


PLACES = {
    "rotated": (UTM @ Affine.rotation(33), "EPSG:32633"),
    "sheared": (UTM @ Affine.shear(20, 5), "EPSG:32633"),
    "south up": (Affine(0.5, 0, 5e5, 0, 0.5, 5e6), "EPSG:32633"),
    "mirrored": (Affine(-0.5, 0, 5e5, 0, -0.5, 5e6), "EPSG:32633"),
    "not square": (Affine(0.3, 0, 5e5, 0, -0.7, 5e6), "EPSG:32633"),
    "degrees": (Affine(4e-6, 0, 15.1, 0, -3e-6, 45.2), "EPSG:4326"),
}


@pytest.mark.parametrize("place", PLACES)
def test_georeferencing_is_exact(model, tmp_path, place):
    """Corners lie where the affine puts them, to 1e-6 of a pixel; rasters keep CRS and affine."""
    transform, crs = PLACES[place]
    image = np.full((3, 40, 50), 30, np.uint8)
    image[:, 7:19, 11:32] = 230
    raster = makers.write(tmp_path / "a.tif", image, transform=transform, crs=crs)
    more = ("--outline", "pixel", "--gsd", "native", "--probability", tmp_path / "p.tif")
    assert main(words(raster, tmp_path / "o.gpkg", model, *more)) == 0
    (shape,) = geopandas.read_file(tmp_path / "o.gpkg", layer="buildings").geometry
    xy = shapely.get_coordinates(shape)
    cols, rows = ~transform @ (xy[:, 0], xy[:, 1])
    corners = {(round(c, 5), round(r, 5)) for c, r in zip(cols, rows, strict=True)}
    assert corners == {(11, 7), (32, 7), (32, 19), (11, 19)}
    assert np.abs(cols - cols.round()).max() < 1e-6
    assert np.abs(rows - rows.round()).max() < 1e-6
    with rasterio.open(tmp_path / "p.tif") as made, rasterio.open(raster) as given:
        assert made.crs == given.crs
        assert np.allclose(tuple(made.transform), tuple(given.transform), rtol=0, atol=1e-12)


def test_no_crs_gcps_or_rpcs_are_never_silent(model, tmp_path, capfd):
    """A warning, or an error with the line to run."""
    cases = {case.name: case for case in rasters.CASES}
    for name, code in (("no CRS", 0), ("a CRS, no place", 0), ("GCPs alone", 2), ("RPCs alone", 2)):
        case = cases[name]
        case.make(tmp_path)
        assert main(words(tmp_path / "a.tif", tmp_path / "o.gpkg", model, "-f")) == code
        assert re.search(case.says, capfd.readouterr().err)


HOLE = np.zeros((60, 70), bool)
HOLE[5:31, 9:44] = HOLE[40:, :20] = True


def hidden_by(kind, path):
    """A raster bright all over, of which a part is marked as no data."""
    image = np.full((3, 60, 70), 230, np.uint8)
    mask = np.where(HOLE, 0, 255).astype(np.uint8)
    if kind == "nodata":
        return makers.write(path, np.where(HOLE, 255, image).astype(np.uint8), nodata=255)
    if kind == "alpha":
        return makers.write(
            path, np.concatenate([image, mask[None]]), photometric="RGB", alpha="YES"
        )
    if kind == "mask":
        return makers.write(path, image, after=lambda target: target.write_mask(mask))
    return makers.write(path, np.where(HOLE, np.nan, image).astype(np.float32))


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask", "NaN"])
def test_nothing_lies_on_nodata(model, tmp_path, kind):
    """Not one pixel, in the rasters and in the footprints."""
    raster = hidden_by(kind, tmp_path / "a.tif")
    more = ["--probability", tmp_path / "p.tif", "--mask", tmp_path / "m.tif", "--outline", "pixel"]
    more += ["--scale", "0,255"] if kind == "NaN" else []
    assert main(words(raster, tmp_path / "o.gpkg", model, "--tile", 32, *more)) == 0
    for name in ("p.tif", "m.tif"):
        with rasterio.open(tmp_path / name) as made:
            assert ((made.read(1) == 255) == HOLE).all()
    shapes = geopandas.read_file(tmp_path / "o.gpkg", layer="buildings").geometry
    drawn = rasterio.features.rasterize(shapes, HOLE.shape, transform=makers.UTM)
    assert (drawn.astype(bool) == ~HOLE).all()


def test_a_mismatch_of_bands_or_pixels_is_refused(model, tmp_path, capfd):
    """Other bands, other names, another type: each with the option that cures it."""
    grey = {"photometric": "MINISBLACK", "alpha": "NO"}
    for make, cure in (
        (makers.raster(bands=1), "--bands 1,1,1"),
        (makers.raster(bands=5, **grey), "--bands 1,2,3"),
        (makers.raster(dtype="uint16"), "--scale "),
        (makers.raster(dtype="float32"), "--scale "),
    ):
        make(tmp_path)
        assert main(words(tmp_path / "a.tif", tmp_path / "o.gpkg", model)) == 2
        assert cure in capfd.readouterr().err


def test_geometry_is_valid_and_nothing_is_doubled(noisy, model, tmp_path):
    """Thousands of objects across many seams: each valid, none overlapping, not a pixel lost."""
    more = ("--tile", 32, "--outline", "pixel", "--min-pixels", 1)
    assert main(words(noisy, tmp_path / "o.gpkg", model, *more)) == 0
    shapes = geopandas.read_file(tmp_path / "o.gpkg", layer="buildings").geometry
    with rasterio.open(noisy) as raster:
        bright_pixels = int((raster.read(1) > 128).sum())
    assert shapes.is_valid.all()
    whole = shapely.union_all(shapes.to_numpy()).area
    assert whole == pytest.approx(shapes.area.sum(), rel=1e-9)
    assert whole / 0.09 == pytest.approx(bright_pixels, rel=1e-9)


READING = {
    "predict": "predict {a} -o {out}/o.gpkg --report {out}/r.html --project {out}/q.qgz -m {model}",
    "plan": "plan {a} -o {out}/o.gpkg -m {model}",
    "verify": "verify {a} -m {model} --windows 2",
    "vectorize": "vectorize {m} -o {out}/v.gpkg",
    "rle": "rle encode {m} -o {out}/r.json",
    "masks": "masks {via} --images {folder} -o {out}/masks",
    "chips": "chips {a} --labels {layer} -o {out}/set --tile 32 --split 1,0,0",
    "evaluate": "evaluate {m} {m} -o {out}/report --images {a}",
    "embed": "embed {a} -o {out}/e.parquet",
    "damage": "damage {a} --buildings {layer} -o {out}/d.gpkg",
    "train": "train {a} --labels {layer} -o {out}/m.safetensors --config {recipe}",
    "explain": "explain {a} -o {out}/e.tif --layer bottleneck",
}

TINY_RECIPE = """
network_options = { stem = 4, filters = [4, 8] }
steps = 1
batch_size = 1
chip = 32
split_shares = [1, 0, 0]
"""


@pytest.mark.parametrize("command", READING)
def test_inputs_are_untouched(scene, model, tmp_path, command):
    """No command that reads rasters writes into their folder, nor beside a file in it."""
    folder, out = scene.parent, tmp_path / "out"
    out.mkdir()
    mask = makers.write(folder / "m.tif", (makers.houses(1) > 99).astype(np.uint8))
    region = {"name": "rect", "x": 1, "y": 1, "width": 9, "height": 9}
    regions = [{"shape_attributes": region, "region_attributes": {}}]
    drawn = {"a.tif1": {"filename": "a.tif", "size": 1, "regions": regions}}
    (folder / "v.json").write_text(json.dumps(drawn))
    squares = [shapely.box(500_002 + at, 4_999_992, 500_004 + at, 4_999_998) for at in (0, 3, 6)]
    layer = geopandas.GeoDataFrame(geometry=squares, crs=32633)
    layer.to_file(folder / "l.geojson", driver="GeoJSON")
    before = snapshot(folder)
    places = {"a": scene, "m": mask, "via": folder / "v.json", "folder": folder, "out": out,
              "layer": folder / "l.geojson", "model": model, "recipe": out / "r.toml"}  # fmt: skip
    places["recipe"].write_text(TINY_RECIPE)
    assert main(READING[command].format(**places).split()) == 0
    assert snapshot(folder) == before


def test_an_existing_output_is_not_overwritten(scene, model, tmp_path, capfd):
    """Refused before anything is computed, whichever of the outputs it is."""
    for name in ("o.gpkg", "m.tif"):
        (tmp_path / name).write_text("mine")
        assert main(words(scene, tmp_path / "o.gpkg", model, "--mask", tmp_path / "m.tif")) == 2
        assert "pass --overwrite" in capfd.readouterr().err
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()


def test_bad_options_are_refused_at_once(scene, model, tmp_path, capfd, monkeypatch):
    """Before a single tile is looked at."""
    monkeypatch.setattr("geounet.infer.Batcher.run", None)
    for more in (["--threshold", "7"], ["--tile", "-3"], ["--gsd", "nan"], ["--tolerance", "-1"],
                 ["--min-area", "-1"], ["--crs", "EPSG:0"], ["--threads", "0"]):  # fmt: skip
        assert main(words(scene, tmp_path / "o.gpkg", model, *more)) == 2
        assert capfd.readouterr().err.count("\n") == 1


def test_bad_rasters_do_not_stop_the_others(scene, model, tmp_path, capfd):
    """Of several, those that cannot be read are named, the others are done, and the code is 3."""
    (scene.parent / "b.tif").write_text("no raster")
    makers.write(scene.parent / "c.tif", makers.houses())
    assert main(words(scene.parent, tmp_path / "maps", model, "--on-error", "skip")) == 3
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"a.gpkg", "c.gpkg"}
    assert "b.tif" in capfd.readouterr().err.splitlines()[-1]


def test_the_same_input_gives_the_same_bytes(noisy, model, tmp_path):
    """Twice the same run: rasters, run lengths and text byte by byte, packages table by table."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        at = tmp_path / folder
        sides = ("--probability", at / "p.tif", "--mask", at / "m.tif", "--rle", at / "r.json")
        assert main(words(noisy, at / "o.gpkg", model, *sides, "-o", at / "o.geojson")) == 0
    one, two = tmp_path / "one", tmp_path / "two"
    for name in ("p.tif", "m.tif", "r.json", "o.geojson"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert tables(one / "o.gpkg") == tables(two / "o.gpkg")


def test_errors_are_one_line(tmp_path):
    """Of the installed command too: what, got, expected, cure, and no traceback."""
    line = [GEOUNET, "predict", tmp_path / "no.tif", "-o", tmp_path / "o.gpkg"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert re.fullmatch(r"geounet: error: .*no\.tif: .*; .*\n", done.stderr)


def test_a_value_that_is_not_finite_is_an_error(scene, tmp_path, capfd):
    """A network that gives NaN on data ends the run; it is never taken for background."""
    bad = bright(tmp_path / "bad.safetensors", float("nan"))
    assert main(words(scene, tmp_path / "o.gpkg", bad)) == 2
    assert "not finite" in capfd.readouterr().err
    assert not (tmp_path / "o.gpkg").exists()


def test_every_promise_has_a_test_and_every_test_a_promise():
    """The table of the document and the functions of this file are the same list."""
    named = re.findall(r"^\|[^|]+\|[^|]+\| `(test_\w+)` \|$", PROMISES, re.MULTILINE)
    here = [name for name in globals() if name.startswith("test_")]
    assert sorted(named) == sorted(
        set(here) - {"test_every_promise_has_a_test_and_every_test_a_promise"}
    )
