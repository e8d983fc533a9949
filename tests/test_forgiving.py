"""Blocks that cannot be read: by default they end the run, or they are left out and shown."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fakes import PaintModel
from geounet.cli.main import main
from rasterio.windows import Window

from geounet.errors import RasterError
from geounet.forgiving import Failures, Forgiving
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, predict
from geounet.raster import open_raster

pytestmark = pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")

HALF_METRE = Affine(0.5, 0, 5e5, 0, -0.5, 5e6)


@pytest.fixture
def damaged(make_raster):
    """Return a function that writes blocks of 64 pixels, some of them damaged by (row, column)."""

    def make(*blocks, name="raster.tif", count=1):
        rng = np.random.default_rng(5)
        image = rng.integers(0, 255, (count, 200, 260), dtype=np.uint8)
        image[:, 90:120, 60:150] = 250
        tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "pixel"}
        path = make_raster(image, transform=HALF_METRE, name=name, compress="LZW", **tiles)
        with rasterio.open(path) as source:
            at = [
                int(source.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1))
                for row, col in blocks
            ]
        content = bytearray(path.read_bytes())
        for start in at:
            content[start : start + 400] = b"\xff" * 400
        path.write_bytes(content)
        return path

    return make


def ground(row, col):
    """The ground under a block."""
    right, low = min(64 * col + 64, 260), min(64 * row + 64, 200)
    return shapely.box(5e5 + 32 * col, 5e6 - low / 2, 5e5 + right / 2, 5e6 - 32 * row)


def options(**words):
    """Exact pixels."""
    plan = PlanOptions(tile=48, halo=8, blend="hann")
    words = {"gsd": "native", "min_area": 0, "outline": "pixel", "plan": plan} | words
    return PredictOptions(model=words.pop("model", None) or PaintModel(), **words)


def test_a_block_that_cannot_be_read_ends_the_run(damaged, tmp_path):
    """By default: one line with the place, nothing at the output."""
    with pytest.raises(RasterError, match="cannot be read"):
        predict(damaged((1, 1)), tmp_path / "o.gpkg", options())
    assert not (tmp_path / "o.gpkg").exists()


@pytest.mark.parametrize("blocks", [[(1, 1)], [(0, 0), (3, 4)], [(2, col) for col in range(5)]])
def test_skipped_blocks_are_holes_that_are_shown(damaged, tmp_path, blocks):
    """The coverage has exactly them as failed, and the rest is as in a whole raster."""
    broken, whole = damaged(*blocks), damaged(name="whole.tif")
    result = predict(broken, tmp_path / "o.gpkg", options(on_error="skip"))
    coverage = geopandas.read_file(tmp_path / "o.gpkg", layer="coverage").dissolve("status")
    expected = shapely.union_all([ground(row, col) for row, col in blocks])
    failed = coverage.geometry["failed"]
    assert failed.symmetric_difference(expected).area == pytest.approx(0)
    assert result.failed_pixels == pytest.approx(expected.area * 4)
    assert result.valid_pixels == 200 * 260 - result.failed_pixels
    predict(whole, tmp_path / "whole.gpkg", options())
    found = geopandas.read_file(tmp_path / "o.gpkg", layer="buildings").geometry.union_all()
    others = geopandas.read_file(tmp_path / "whole.gpkg", layer="buildings").geometry.union_all()
    assert found.symmetric_difference(others.difference(expected)).area == pytest.approx(0)
    beside = geopandas.read_file(tmp_path / "o.gpkg", layer="buildings")
    assert beside[beside.intersects(expected)]["touches_edge"].all()


def test_skipped_blocks_are_shown_on_another_grid(damaged, tmp_path):
    """Resampled, the hole is where it was, to a pixel."""
    predict(damaged((1, 2)), tmp_path / "o.gpkg", options(on_error="skip", gsd=0.8))
    coverage = geopandas.read_file(tmp_path / "o.gpkg", layer="coverage").dissolve("status")
    assert set(coverage.index) == {"failed", "predicted"}
    hole = ground(1, 2)
    failed = coverage.geometry["failed"]
    assert failed.within(hole.buffer(0.9))
    assert hole.buffer(-0.9).within(failed)


def test_a_resumed_run_remembers_what_failed(damaged, tmp_path):
    """Holes of strips that were done before are in the coverage too."""

    class Dying(PaintModel):
        calls = 0

        def __call__(self, pixels, valid):
            self.calls += 1
            if self.calls > 50:
                raise KeyboardInterrupt
            return super().__call__(pixels, valid)

    raster = damaged((0, 1), (3, 2))
    whole = predict(raster, tmp_path / "whole.gpkg", options(on_error="skip"))
    with pytest.raises(KeyboardInterrupt):
        predict(raster, tmp_path / "o.gpkg", options(on_error="skip", model=Dying()))
    result = predict(raster, tmp_path / "o.gpkg", options(on_error="skip", resume=True))
    assert result.pixels_resumed
    assert result.failed_pixels == whole.failed_pixels > 0
    one, other = (
        geopandas.read_file(tmp_path / name, layer="coverage") for name in ("o.gpkg", "whole.gpkg")
    )
    assert one.equals(other)


def test_after_a_failure_one_may_go_on_without_the_block(damaged, tmp_path):
    """What was done before the bad block is kept, `--resume --on-error skip` does the rest."""
    raster = damaged((3, 1))
    with pytest.raises(RasterError) as caught:
        predict(raster, tmp_path / "o.gpkg", options())
    assert "--resume goes on from it" in caught.value.__notes__[0]
    result = predict(raster, tmp_path / "o.gpkg", options(on_error="skip", resume=True))
    assert result.pixels_resumed
    assert result.failed_pixels == 64 * 8


def test_a_raster_that_is_gone_has_no_bad_blocks(damaged):
    """A share that went away is an error, whatever is to be skipped."""
    path, failures = damaged((1, 1)), Failures()
    with open_raster(path) as reader:
        path.unlink()
        with pytest.raises(RasterError, match="is gone or cannot be reached"):
            Forgiving(reader, failures.add).read(Window(0, 0, 260, 200))


def test_the_exit_code_says_that_something_is_missing(damaged, tmp_path, capsys, monkeypatch):
    """3, one last line, and the raster's name in the JSON; what is unreadable as a whole too."""
    monkeypatch.setattr("geounet.backends.load.open_model", lambda _: PaintModel())
    monkeypatch.setattr("geounet.provenance.find_model", lambda _: tmp_path / "model.any")
    (tmp_path / "model.any").touch()
    rasters = [str(damaged((1, 1))), str(damaged(name="good.tif")), str(tmp_path / "bad.tif")]
    (tmp_path / "bad.tif").write_bytes(b"II*\0 and then nothing")
    words = ["--gsd", "native", "--tile", "48", "--halo", "8", "--on-error", "skip", "-q"]
    out = tmp_path / "out"
    assert main(["predict", *rasters, "-o", str(out), *words, "--json"]) == 3
    told = capsys.readouterr()
    summary = json.loads(told.out)
    assert [each["raster"] for each in summary["failed"]] == [rasters[0], rasters[2]]
    assert summary["scenes"] == 2
    assert summary["failed_pixels"] == 64 * 64
    assert "2 of 3 rasters failed, wholly or in part" in told.err.splitlines()[-1]
    assert {path.name for path in out.iterdir()} == {"raster.gpkg", "good.gpkg"}
    assert main(["predict", *rasters, "-o", str(out), *words, "--resume"]) == 3
    assert "raster.gpkg" in capsys.readouterr().out
