"""Runs that die: what is left, what --resume makes of it, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import rasterio
from affine import Affine
from fakes import STRIDE, DyingModel, PaintModel, asked, contents

from geounet.errors import GeounetWarning, OptionError, OutputError, TargetError
from geounet.footprints.formats import SUFFIXES
from geounet.predict import PredictOptions, predict
from geounet.state import State, is_unfinished

pytestmark = pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")


def die(town, out, options, calls, error=KeyboardInterrupt):
    """Run until so many batches are done."""
    dying = DyingModel(calls, error)
    plain = {each: getattr(options, each) for each in options.__dataclass_fields__}
    with pytest.raises(error) as caught:
        predict(town, out, PredictOptions(**plain | {"model": dying}))
    return caught.value


def resumed(options, **changes):
    """The same options, to go on with."""
    plain = {each: getattr(options, each) for each in options.__dataclass_fields__}
    return PredictOptions(**plain | {"resume": True, "overwrite": False} | changes)


@pytest.mark.parametrize("band_width", [10_000, 3 * STRIDE])
@pytest.mark.parametrize(
    "words", [{}, {"outline": "smooth"}, {"outline": "regular"}, {"split": True}]
)
def test_a_resumed_run_gives_what_an_uninterrupted_one_gives(town, tmp_path, band_width, words):
    """Wherever it dies: rasters and runs byte by byte, packages table by table."""
    whole = asked(tmp_path / "whole", band_width=band_width, **words)
    tiles = predict(town, tmp_path / "whole" / "o.gpkg", whole).tiles
    expected = contents(tmp_path / "whole")
    for calls in range(30, tiles, 20 if words else 10):
        folder = tmp_path / f"at{calls}"
        options = asked(folder, band_width=band_width, **words)
        error = die(town, folder / "o.gpkg", options, calls)
        assert "--resume goes on from it" in error.__notes__[0]
        assert {path.name for path in folder.iterdir()} == {"o.gpkg.state"}
        result = predict(town, folder / "o.gpkg", resumed(options))
        assert 0 < result.pixels_resumed < result.pixels
        assert contents(folder) == expected


def test_a_run_may_die_as_often_as_it_likes(town, tmp_path):
    """Each start does a little more, the last one finishes; nothing is inferred twice but seams."""
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "often")
    tiles = predict(town, tmp_path / "whole" / "o.gpkg", whole).tiles
    out, deaths = tmp_path / "often" / "o.gpkg", 0
    die(town, out, options, 25)
    while True:
        try:
            predict(town, out, resumed(options, model=DyingModel(35)))
            break
        except KeyboardInterrupt:
            deaths += 1
    assert 0 < deaths < tiles // 10
    assert contents(out.parent) == contents(tmp_path / "whole")


@pytest.mark.parametrize("torn", [1, 20, 300])
def test_a_torn_record_is_cut_off(town, tmp_path, torn):
    """Power may fail in the middle of a write: that strip is done again."""
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "torn")
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    out = tmp_path / "torn" / "o.gpkg"
    die(town, out, options, 35)
    cells = out.parent / "o.gpkg.state" / "cells.log"
    cells.write_bytes(cells.read_bytes()[:-torn])
    predict(town, out, resumed(options))
    assert contents(out.parent) == contents(tmp_path / "whole")


@pytest.mark.parametrize("name", ["cells.log", "q.bin"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_damaged_bytes_are_never_believed(town, tmp_path, name, share):
    """Whatever was damaged is done again, the result is the same."""
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "bad")
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    out = tmp_path / "bad" / "o.gpkg"
    die(town, out, options, 45)
    state = out.parent / "o.gpkg.state" / name
    content = bytearray(state.read_bytes())
    content[int(share * len(content))] ^= 0xFF
    state.write_bytes(content)
    predict(town, out, resumed(options))
    assert contents(out.parent) == contents(tmp_path / "whole")


def test_an_unfinished_run_is_not_lost_by_starting_again(town, tmp_path):
    """Without a word it is refused with both cures; --overwrite drops it, and does all."""
    options = asked(tmp_path / "a")
    out = tmp_path / "a" / "o.gpkg"
    die(town, out, options, 35)
    with pytest.raises(TargetError, match="pass --resume to go on with it, or --overwrite to drop"):
        predict(town, out, options)
    assert is_unfinished(out)
    result = predict(town, out, resumed(options, resume=False, overwrite=True))
    assert result.pixels_resumed == 0
    assert not (tmp_path / "a" / "o.gpkg.state").exists()


def test_a_run_that_had_nothing_done_leaves_nothing(town, tmp_path):
    """Death before the first strip: no state, and the same command starts."""
    options = asked(tmp_path / "a")
    assert not hasattr(die(town, tmp_path / "a" / "o.gpkg", options, 3), "__notes__")
    assert contents(tmp_path / "a") == {}
    predict(town, tmp_path / "a" / "o.gpkg", options)


@pytest.mark.parametrize("moment", ["geounet.state.sync", "geounet.state.shutil.rmtree"])
def test_a_run_that_is_stopped_at_its_first_step_leaves_nothing(
    town, tmp_path, monkeypatch, moment
):
    """Also while its state is being made."""

    def stop(*_args, **_words):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(moment, stop)
    with pytest.raises(KeyboardInterrupt):
        predict(town, tmp_path / "a" / "o.gpkg", asked(tmp_path / "a"))
    assert contents(tmp_path / "a") == {}


def test_resume_without_a_state_starts(town, tmp_path):
    """So a script may always say --resume."""
    result = predict(town, tmp_path / "a" / "o.gpkg", resumed(asked(tmp_path / "a")))
    assert result.pixels_resumed == 0
    assert not result.finished_before


@pytest.mark.parametrize("kind", [suffix for suffix in SUFFIXES if suffix != ".shp"])
def test_what_is_finished_is_left_alone(town, tmp_path, kind):
    """The same again does nothing, and says how many there are; other options are told."""
    out = tmp_path / "a" / f"o{kind}"
    options = asked(tmp_path / "a")
    count = predict(town, out, options).polygons
    before = out.stat().st_mtime_ns
    result = predict(town, out, resumed(options))
    assert result.finished_before
    assert (result.polygons, result.pixels) == (count, 0)
    assert out.stat().st_mtime_ns == before
    with pytest.raises(OptionError, match=r"finished otherwise \(outline \S+, now regular\)"):
        predict(town, out, resumed(options, outline="regular"))


def test_a_file_of_another_hand_is_not_taken_for_finished(town, tmp_path):
    """A file without our provenance is refused, with the cure."""
    options = asked(tmp_path / "a", probability=None, mask=None, rle=None)
    (tmp_path / "a" / "o.gpkg").write_bytes(b"theirs")
    with pytest.raises(TargetError, match="does not say what it was made of"):
        predict(town, tmp_path / "a" / "o.gpkg", resumed(options))


CHANGES = [
    ({"outline": "smooth"}, "outline pixel, now smooth"),
    ({"min_area": 3.0}, "min_area 0, now 3.0"),
    ({"band_width": 99}, "band_width 10000, now 99"),
    (
        {"mask": None},
        r'further outputs \["mask", "probability", "rle"\], now \["probability", "r',
    ),
    ({"model": PaintModel(threshold=0.3)}, "model paint .*, now paint "),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_another_run_is_refused_field_by_field(town, tmp_path, change, told):
    """A changed option, model or set of outputs is named with both values; the state stays."""
    out = tmp_path / "a" / "o.gpkg"
    die(town, out, asked(tmp_path / "a"), 35)
    with pytest.raises(OptionError, match=rf"was begun otherwise \({told}") as caught:
        predict(town, out, resumed(asked(tmp_path / "a", **change)))
    assert "--overwrite starts over" in str(caught.value)
    assert not hasattr(caught.value, "__notes__")
    assert is_unfinished(out)


def test_a_changed_raster_is_refused(town, tmp_path):
    """Its size and time are part of what the run is."""
    out = tmp_path / "a" / "o.gpkg"
    options = asked(tmp_path / "a")
    die(town, out, options, 35)
    town.touch()
    with pytest.raises(OptionError, match=r"was begun otherwise \(input .*raster\.tif"):
        predict(town, out, resumed(options))


def test_a_look_at_the_raster_does_not_change_it(town, tmp_path):
    """Statistics that a viewer wrote beside it meanwhile are no reason to start over."""
    out = tmp_path / "a" / "o.gpkg"
    options = asked(tmp_path / "a")
    die(town, out, options, 35)
    town.with_name("raster.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    assert predict(town, out, resumed(options)).pixels_resumed
    assert predict(town, out, resumed(options)).finished_before


@pytest.mark.slow
@pytest.mark.parametrize("words", [["kill", "--rounds", "5"], ["disk", "--size", "1000"]])
def test_a_tortured_run_gives_what_a_healthy_one_gives(words, tmp_path):
    """The installed command, killed at random moments, and on disks that fill up."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if words[0] == "disk" and subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    if words[0] == "disk":
        subprocess.run(["umount", str(tmp_path)], check=True)
    script = Path(__file__).parents[1] / "benchmarks" / "torture_resume.py"
    subprocess.run([sys.executable, str(script), *words], check=True)


def test_two_runs_never_share_a_state(town, tmp_path):
    """While one is at it another is refused; a lock that a dead one left means nothing."""
    out = tmp_path / "a" / "o.gpkg"
    options = asked(tmp_path / "a")
    with State(out), pytest.raises(TargetError, match="another run is writing here"):
        predict(town, out, options)
    (tmp_path / "a" / "o.gpkg.state").mkdir()
    (tmp_path / "a" / "o.gpkg.state" / "lock").touch()
    predict(town, out, options)


def test_a_folder_of_that_name_is_not_touched(town, tmp_path):
    """What stands at OUT.state and is not ours is refused."""
    theirs = tmp_path / "a" / "o.gpkg.state"
    theirs.mkdir(parents=True)
    (theirs / "diary.txt").write_text("dear")
    with pytest.raises(TargetError, match="is in the way and was not made here"):
        predict(town, tmp_path / "a" / "o.gpkg", asked(tmp_path / "a"))
    assert (theirs / "diary.txt").read_text() == "dear"


def test_resume_and_overwrite_contradict():
    """One keeps what the other drops."""
    with pytest.raises(OptionError, match="leave one of them out"):
        PredictOptions(resume=True, overwrite=True)


@pytest.mark.parametrize("where", ["journal", "raster", "package"])
def test_a_full_disk_keeps_what_is_done(town, tmp_path, monkeypatch, where):
    """It fails with one line, an earlier output stands as it was, and --resume finishes."""
    out = tmp_path / "a" / "o.gpkg"
    options = asked(tmp_path / "a")
    predict(town, out, options)
    expected = contents(tmp_path / "a")
    before = out.stat().st_mtime_ns
    left = 4 if where == "journal" else 0

    def full(*_args, **_words):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        return 0

    def counted(file, data):
        return full() or file.write(data)

    places = {
        "journal": ("geounet.records.write_whole", counted),
        "raster": ("geounet.pixels.Pixels.finish", full),
        "package": ("geounet.assemble.write_gpkg", full),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*places[where])
        with pytest.raises(OSError, match=r"(?i)no space left") as caught:
            predict(town, out, resumed(options, resume=False, overwrite=True))
    assert "--resume goes on from it" in caught.value.__notes__[0]
    assert out.stat().st_mtime_ns == before
    assert predict(town, out, resumed(options)).pixels_resumed > 0
    assert contents(tmp_path / "a") == expected


def test_progress_goes_on_where_it_was(town, tmp_path):
    """The first count after a resume is beyond what was done."""
    out = tmp_path / "a" / "o.gpkg"
    options = asked(tmp_path / "a")
    die(town, out, options, 35)
    seen = []
    predict(town, out, resumed(options), lambda done, total: seen.append((done, total)))
    assert seen[0][0] > 1
    assert seen[-1][0] == seen[-1][1]


def test_damage_to_the_description_starts_over(town, tmp_path):
    """A run.json that cannot be read is no plan to go on with; it is said, and all done again."""
    out = tmp_path / "a" / "o.gpkg"
    options = asked(tmp_path / "a")
    die(town, out, options, 35)
    (tmp_path / "a" / "o.gpkg.state" / "run.json").write_text("{")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", GeounetWarning)
        assert predict(town, out, resumed(options)).pixels_resumed == 0
    assert any("starting over" in str(each.message) for each in said)


def test_too_little_space_is_said_before_the_start(town, tmp_path, monkeypatch):
    """What may get short is a warning with numbers, what certainly cannot fit is refused."""
    from geounet.space import shutil as found  # noqa: PLC0415

    options, real = asked(tmp_path / "a"), shutil.disk_usage(tmp_path)
    for free in (25_000, 1_000_000):  # the first is refused
        monkeypatch.setattr(found, "disk_usage", lambda _, free=free: real._replace(free=free))
        if free < 200_000:
            with pytest.raises(OutputError, match=r"disk is full \(0\.0 MB are free, about 0 MB"):
                predict(town, tmp_path / "a" / "o.gpkg", options)
            assert contents(tmp_path / "a") == {}
    large = town.with_name("large.tif")
    profile = {"driver": "GTiff", "height": 4000, "width": 4000, "count": 1, "dtype": "uint8"}
    with rasterio.open(large, "w", sparse_ok=True, tiled=True, crs="EPSG:32633",
                       transform=Affine(0.5, 0, 5e5, 0, -0.5, 5e6), **profile):  # fmt: skip
        pass
    with pytest.warns(GeounetWarning, match="may need 44 MB on this disk .* 1 MB are free"):
        predict(large, tmp_path / "a" / "o.gpkg", options)
