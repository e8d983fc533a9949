"""Runs in parts: any partition gives what one process gives, and what does not fit is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import fsspec
import numpy as np
import pytest
from affine import Affine
from fakes import STRIDE, DyingModel, asked, contents, tables
from geounet.cli.main import main
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point

from geounet.errors import OptionError, PartError, RasterError, TargetError
from geounet.options import targets
from geounet.predict import predict
from geounet.shards.gather import gather
from geounet.shards.infer import Task, infer
from geounet.shards.merge import MergeOptions, merge
from geounet.shards.part import Part
from geounet.shards.share import Share, owners
from geounet.shards.shelf import shelf_of
from geounet.surface import Anchor, Surface, SurfaceOptions

pytestmark = pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")


def task(raster, folder, options, share="1/1", parts=None):
    """A task of a raster, for an output in a folder."""
    out = folder / "o.gpkg"
    place = str(folder.parent / f"{folder.name}-parts") if parts is None else parts
    raster = raster if isinstance(raster, Surface) else str(raster)
    return Task(raster=raster, out=out, options=options, share=Share.parse(share), parts=place)


def shards(raster, folder, options, count, parts=None):
    """Infer all shares, the last first; return where they are."""
    for number in reversed(range(1, count + 1)):
        done = infer(task(raster, folder, options, f"{number}/{count}", parts))
    return done.place


def merged(folder, place, options, *, overwrite=False):
    """Merge parts into the outputs that were asked for."""
    places = place if isinstance(place, list) else [place]
    goals = targets(folder / "o.gpkg", options)
    return merge(places, goals, MergeOptions(overwrite=overwrite))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.integers(1, 80))
def test_shares_are_in_a_row_and_of_about_one_weight(weights, shares):
    """Each thing has one owner, owners ascend, none carries over a share more than its heaviest."""
    found = owners(weights, shares)
    assert all(first <= second for first, second in pairwise(found))
    assert set(found) <= set(range(1, shares + 1))
    loads = [sum(w for w, o in zip(weights, found, strict=True) if o == each) for each in found]
    assert max(loads) <= sum(weights) / shares + max(weights)


@pytest.mark.parametrize("words", ["3", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/3/5", ""])
def test_a_shard_is_one_of_so_many(words):
    """Anything else is refused with one that would do."""
    with pytest.raises(OptionError, match="a shard is I/N"):
        Share.parse(words)


CASES = [
    ({}, 1),
    ({}, 3),
    ({"band_width": 3 * STRIDE}, 4),
    ({"band_width": 3 * STRIDE, "outline": "regular"}, 5),
    ({"split": True, "probability": None, "mask": None, "rle": None}, 2),
    ({"bbox": (500_010.2, 4_999_960.0, 500_041.0, 4_999_991.0)}, 3),
    ({"probability": None, "mask": None, "rle": None, "outline": "smooth"}, 9),
]


@pytest.mark.parametrize(("words", "count"), CASES)
def test_merged_shards_are_what_one_process_gives(town, tmp_path, words, count):
    """Rasters and runs byte by byte, packages table by table; also with more shards than strips."""
    whole, options = asked(tmp_path / "whole", **words), asked(tmp_path / "parts", **words)
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    place = shards(town, tmp_path / "parts", options, count)
    assert contents(tmp_path / "parts") == {}
    result = merged(tmp_path / "parts", place, options)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert result.pixels == 13_000


@pytest.mark.parametrize("seed", range(2))
def test_any_partition_in_any_order_is_the_whole(town, tmp_path, monkeypatch, seed):
    """Which cells are in which part, and how parts are called, changes nothing."""
    rng = np.random.default_rng(seed)
    words = {"band_width": 4 * STRIDE, "outline": "regular"}
    whole, options = asked(tmp_path / "whole", **words), asked(tmp_path / "parts", **words)
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    dealt = rng.integers(1, 5, 500)

    def some(walk, share):
        cells = walk.plan.grid.cells()
        return [cell for at, cell in enumerate(cells) if dealt[at] == share.number]

    monkeypatch.setattr("geounet.shards.infer.cells_of", some)
    place = shards(town, tmp_path / "parts", options, 4)
    named = [f"{place}/{number}-of-4.part" for number in rng.permutation(4) + 1]
    merged(tmp_path / "parts", named, options)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize("calls", [3, 29])
def test_a_shard_that_died_goes_on(town, tmp_path, calls):
    """What it had done is kept beside its part, and nothing is inferred twice but seams."""
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "parts")
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    one = task(town, tmp_path / "parts", options, "1/2")
    with pytest.raises(KeyboardInterrupt):
        infer(replace(one, options=replace(options, model=DyingModel(calls))))
    assert not (tmp_path / "parts-parts" / one.name).exists()
    if calls > 10:
        with pytest.raises(TargetError, match="pass --resume to go on with it"):
            infer(one)
    again = replace(options, resume=True)
    done = infer(replace(one, options=again))
    assert (done.pixels_resumed > 0) == (calls > 10)
    infer(task(town, tmp_path / "parts", again, "2/2"))
    merged(tmp_path / "parts", done.place, options)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_part_that_is_there_is_left_alone_or_refused(town, tmp_path):
    """Without a word it is refused; --resume leaves it, --overwrite makes it again."""
    options = asked(tmp_path / "a")
    one = task(town, tmp_path / "a", options)
    path = tmp_path / "a-parts" / infer(one).name
    with pytest.raises(TargetError, match="pass --resume to leave it, or --overwrite"):
        infer(one)
    before = path.stat().st_mtime_ns
    assert infer(replace(one, options=replace(options, resume=True))).finished_before
    assert path.stat().st_mtime_ns == before
    infer(replace(one, options=replace(options, overwrite=True)))
    assert path.stat().st_mtime_ns > before
    other = replace(options, outline="smooth", resume=True)
    with pytest.raises(OptionError, match=r"is of another run \(outline pixel, now smooth\)"):
        infer(replace(one, options=other))


def test_what_the_first_settled_holds_for_all(town, tmp_path):
    """A shard asks and probes nothing where another has; so all have one engine and one plan."""
    options = asked(tmp_path / "a")
    options = replace(options, plan=replace(options.plan, tile="auto"))
    place = shards(town, tmp_path / "a", options, 1)
    agreed = tmp_path / "a-parts" / "run.json"
    words = json.loads(agreed.read_text())
    words["settled"]["plan"]["grid"]["tile"] = 48
    agreed.write_text(json.dumps(words))
    for number in (1, 2):
        infer(task(town, tmp_path / "a", options, f"{number}/2"))
    parts = [Part.read(tmp_path / "a-parts" / f"{number}-of-2.part") for number in (1, 2)]
    assert {part.run.settled["plan"]["grid"]["tile"] for part in parts} == {48}
    with pytest.raises(PartError, match=r"was settled otherwise than .*tile .*, now .*--backend"):
        merged(tmp_path / "a", place, options)


@pytest.mark.parametrize(
    ("words", "told"),
    [({"bbox": (0, 0, 1, 1)}, "nothing of it lies on"), ({"crs": "EPSG:0"}, "CRS")],
)
def test_a_shard_that_is_refused_binds_no_other(town, tmp_path, words, told):
    """It leaves nothing, so that the next one, typed right, is of the same place."""
    options = asked(tmp_path / "a")
    with pytest.raises(OptionError, match=told):
        infer(task(town, tmp_path / "a", replace(options, **words)))
    assert not (tmp_path / "a-parts").exists()
    infer(task(town, tmp_path / "a", options))


def test_only_what_stays_is_said_to_be_kept(town, tmp_path):
    """A shard that died on its way to a store, or at one that others may do, leaves nothing."""
    dying = asked(tmp_path / "a", DyingModel(29))
    for words in ({"lasting": False}, {"parts": "memory://bucket/dying"}):
        one = task(town, tmp_path / "a", dying, "1/2", words.pop("parts", None))
        with pytest.raises(KeyboardInterrupt) as caught:
            infer(one, **words)
        assert not hasattr(caught.value, "__notes__")


def test_parts_of_two_runs_are_not_mixed(town, tmp_path):
    """Neither on one shelf nor in a merge; the difference is named."""
    options = asked(tmp_path / "a")
    place = shards(town, tmp_path / "a", options, 2)
    other = replace(options, min_area=9.0)
    with pytest.raises(OptionError, match=r"holds parts of another run \(min_area 0, now 9"):
        infer(task(town, tmp_path / "a", other, "3/3"))
    theirs = shards(town, tmp_path / "a", other, 2, parts=str(tmp_path / "theirs"))
    words = [f"{place}/1-of-2.part", f"{theirs}/2-of-2.part"]
    with pytest.raises(PartError, match=r"another run than 1-of-2\.part \(min_area 0, now 9"):
        merged(tmp_path / "a", words, options)
    assert contents(tmp_path / "a") == {}


def test_a_difference_is_named_by_where_it_stands(town, tmp_path, monkeypatch):
    """Also where another group of words has one of the same name."""
    from geounet.shards import infer as room  # noqa: PLC0415

    options, facts = asked(tmp_path / "a"), room.facts_of

    def otherwise(*args):
        found = facts(*args)
        return found | {"model": found["model"] | {"dtype": "uint16"}}

    infer(task(town, tmp_path / "a", options, "1/2"))
    monkeypatch.setattr(room, "facts_of", otherwise)
    place = infer(task(town, tmp_path / "a", options, "2/2")).place
    with pytest.raises(PartError, match=r"differs from .* \(facts\.model\.dtype uint8, now uint16"):
        merged(tmp_path / "a", place, options)


def test_what_a_mac_or_a_dead_shard_left_among_parts_is_no_part(town, tmp_path):
    """A hidden file in the folder; and named by a glob, the state of a shard that died."""
    options = asked(tmp_path / "a")
    place = Path(shards(town, tmp_path / "a", options, 2))
    (place / "._1-of-2.part").write_bytes(b"Mac OS X")
    (place / "2-of-2.part.state").mkdir()
    for words in ([str(place)], [*map(str, place.glob("[!.]*"))]):
        merged(tmp_path / "a", words, options, overwrite=True)
    (place / "2-of-2.part").unlink()
    for words in ([str(place)], [*map(str, place.glob("[!.]*"))]):
        with pytest.raises(PartError, match="shard 2/2 missing"):
            merged(tmp_path / "a", words, options, overwrite=True)


def test_parts_that_are_missing_or_there_twice_are_named(town, tmp_path):
    """By their shard, or by their file."""
    options = asked(tmp_path / "a")
    place = shards(town, tmp_path / "a", options, 4)
    words = [f"{place}/{number}-of-4.part" for number in (1, 4)]
    with pytest.raises(PartError, match=r"3 of 7 strips are in no part, shards 2/4, 3/4 missing"):
        merged(tmp_path / "a", words, options)
    with pytest.raises(PartError, match=r"1-of-4\.part: holds what .*1-of-4\.part holds too"):
        merged(tmp_path / "a", [place, words[0]], options)
    assert contents(tmp_path / "a") == {}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_damaged_part_is_never_believed(part_bytes, data):
    """Whatever byte is changed, wherever it is cut, it is refused in one line."""
    path, content = part_bytes
    at = data.draw(st.integers(0, len(content) - 1))
    torn = content[:at]
    if data.draw(st.booleans()):
        torn = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))])
        torn += content[at + 1 :]
    path.write_bytes(torn)
    with pytest.raises(PartError, match="is damaged, or no part of a run") as caught:
        Part.read(path)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def part_bytes(tmp_path_factory):
    """A whole part, and a path for what becomes of it."""
    import rasterio  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("part")
    raster = folder / "r.tif"
    image = np.random.default_rng(1).integers(0, 255, (1, 40, 50), dtype=np.uint8)
    words = {"crs": "EPSG:32633", "transform": Affine(0.5, 0, 5e5, 0, -0.5, 5e6)}
    with rasterio.open(
        raster, "w", driver="GTiff", height=40, width=50, count=1, dtype="uint8", **words
    ) as file:
        file.write(image)
    done = infer(task(raster, folder / "a", asked(folder / "a"), "1/2"))
    return folder / "x.part", (folder / "a-parts" / done.name).read_bytes()


@pytest.mark.parametrize("content", [b"", b"theirs", b"cell" * 50])
def test_a_file_of_another_hand_is_no_part(tmp_path, content):
    """It is refused with what was expected."""
    (tmp_path / "x.part").write_bytes(content)
    with pytest.raises(PartError, match=r"x\.part: is damaged, or no part of a run"):
        gather([str(tmp_path / "x.part")], tmp_path)


def test_nothing_to_merge_is_said(tmp_path):
    """A word that leads to no part is named."""
    (tmp_path / "empty").mkdir()
    for word in ("empty", "nowhere", "o.gpkg"):
        with pytest.raises(PartError, match=rf"{word}: holds no part .*check the path"):
            gather([str(tmp_path / word)], tmp_path)


def test_a_merge_needs_no_raster_but_for_pictures(town, tmp_path):
    """Parts say all that is needed; a page is refused once the raster is gone."""
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "a")
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    place = shards(town, tmp_path / "a", options, 2)
    paged = replace(options, report=tmp_path / "a" / "r.html")
    merged(tmp_path / "a", place, paged)
    (tmp_path / "a" / "r.html").unlink()
    town.unlink()
    with pytest.raises(RasterError):
        merged(tmp_path / "a", place, paged, overwrite=True)
    merged(tmp_path / "a", place, options, overwrite=True)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_pixels_must_have_been_kept(town, tmp_path):
    """A raster that no shard was asked for cannot be made of its parts."""
    none = {"probability": None, "mask": None, "rle": None}
    place = shards(town, tmp_path / "a", asked(tmp_path / "a", **none), 2)
    with pytest.raises(OptionError, match="parts hold no pixels"):
        merged(tmp_path / "a", place, asked(tmp_path / "a"))
    with pytest.raises(OptionError, match="leave --embeddings out"):
        shards(town, tmp_path / "b", asked(tmp_path / "b", embeddings=tmp_path / "e.parquet"), 2)


def test_an_area_from_a_file_comes_with_the_part(town, tmp_path):
    """Where nothing was asked for there is nothing, also in strips without data."""
    import geopandas  # noqa: PLC0415

    aoi = tmp_path / "aoi.gpkg"
    circle = Point(500_030, 4_999_975).buffer(17)
    geopandas.GeoSeries([circle], crs="EPSG:32633").to_file(aoi, engine="pyogrio")
    whole, options = asked(tmp_path / "whole", aoi=aoi), asked(tmp_path / "a", aoi=aoi)
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    place = shards(town, tmp_path / "a", options, 3)
    aoi.unlink()
    merged(tmp_path / "a", place, options)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_parts_may_lie_anywhere_that_fsspec_knows(town, tmp_path):
    """The same on an object store; and one nobody speaks to is refused."""
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "a")
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    url = "memory://bucket/parts"
    shards(town, tmp_path / "a", options, 3, parts=url)
    again = task(town, tmp_path / "a", replace(options, resume=True), "2/3", parts=url)
    assert infer(again).finished_before
    assert shelf_of(url).names() == [*(f"{n}-of-3.part" for n in (1, 2, 3)), "run.json"]
    merged(tmp_path / "a", url, options)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")
    named = [f"{url}/{n}-of-3.part" for n in (3, 1, 2)]
    merged(tmp_path / "a", named, options, overwrite=True)
    shelf_of(url).clear()
    assert shelf_of(url).names() == []
    fsspec.filesystem("memory").store.clear()
    with pytest.raises(OptionError, match="nowhere://x: "):
        infer(task(town, tmp_path / "a", options, parts="nowhere://x"))


@pytest.mark.parametrize(
    ("call", "do"),
    [
        ("ls", lambda shelf: shelf.names()), ("ls", lambda shelf: shelf.clear()),
        ("cat_file", lambda shelf: shelf.agreed()), ("pipe_file", lambda shelf: shelf.agree({})),
    ],
)  # fmt: skip
def test_a_store_that_cannot_be_reached_is_named(monkeypatch, call, do):
    """In a line with its address, whatever was wanted of it."""

    def away(*_args, **_words):
        raise PermissionError("no key for it")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), call, away)
    with pytest.raises(PartError, match=r"memory://bucket/x: cannot be reached \(no key for it\);"):
        do(shelf_of("memory://bucket/x"))


def test_blocks_that_cannot_be_read_stay_failed(town, tmp_path, monkeypatch):
    """With --on-error skip a merge tells of them as one process does."""
    from geounet.raster import RasterReader  # noqa: PLC0415

    read = RasterReader.read

    def torn(self, window, into=None):
        if window.row_off < 30 < window.row_off + window.height:
            raise RasterError("torn")
        return read(self, window, into)

    monkeypatch.setattr(RasterReader, "read", torn)
    whole = asked(tmp_path / "whole", on_error="skip")
    options = asked(tmp_path / "a", on_error="skip")
    lost = predict(town, tmp_path / "whole" / "o.gpkg", whole).failed_pixels
    result = merged(tmp_path / "a", shards(town, tmp_path / "a", options, 3), options)
    assert result.failed_pixels == lost > 0
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_the_command_line_says_what_to_do_next(town, tmp_path, capsys):
    """A shard prints its part, and the merge; the merge prints its outputs."""
    out, pixels = str(tmp_path / "b.gpkg"), str(tmp_path / "p.tif")
    words = [str(town), "-o", out, "-m", "otsu", "--probability", pixels, "--gsd", "native"]
    for number in (1, 2):
        assert main(["predict", *words, "--shard", f"{number}/2"]) == 0
        said = capsys.readouterr()
        assert said.out == f"{out}.parts/{number}-of-2.part\n"
        assert f"geounet merge {out}.parts --out {out} --probability {pixels}" in said.err
    assert main(["predict", *words, "--shard", "2/2", "--resume", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parts"][0]["finished_before"]
    assert main(["merge", out, "-o", out, "--probability", pixels, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["out"] == [out, pixels]
    glob = map(str, sorted((tmp_path / "b.gpkg.parts").iterdir()))  # run.json among them
    assert main(["merge", *glob, "-o", str(tmp_path / "d.gpkg"), "-q"]) == 0
    assert main(["merge", f"{out}.parts/run.json", "-o", str(tmp_path / "e.gpkg")]) == 2
    assert main(["merge", out + ".parts", "-o", out]) == 2
    assert "exists already; pass --overwrite" in capsys.readouterr().err
    assert main(["merge", f"{out}.parts/1-of-2.part", "-o", str(tmp_path / "c.gpkg")]) == 2
    assert "geounet: error: " in capsys.readouterr().err
    assert main(["predict", *words, "--parts", "x"]) == 2
    shutil.rmtree(out + ".parts")


@pytest.mark.parametrize("anchor", [None, Anchor(Affine(0.5, 0, 5e5 - 3, 0, -0.5, 5e6), (16, 16))])
def test_a_surface_of_sheets_comes_in_parts_too(make_raster, tmp_path, anchor):
    """Its buildings know their sheets as they do in one process; changed sheets are refused."""
    rng = np.random.default_rng(4)
    image = rng.integers(0, 2, (12, 15)).repeat(9, 0).repeat(9, 1)[:100, :130] * np.uint8(200)
    grid, sheets = Affine(0.5, 0, 5e5, 0, -0.5, 5e6), []
    for left, right in ((0, 70), (60, 130)):
        there = grid @ Affine.translation(left, 0)
        part = image[:, left:right].astype(np.uint8)
        sheets.append(str(make_raster(part, transform=there, name=f"sheet{left}.tif")))
    surface = Surface.of(sheets, SurfaceOptions(anchor=anchor))
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "a")
    predict(surface, tmp_path / "whole" / "o.gpkg", whole)
    shutil.rmtree(tmp_path / "whole" / "o.gpkg.cells")  # for the next run of a changed survey
    place = shards(surface, tmp_path / "a", options, 3)
    merged(tmp_path / "a", place, options)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")
    Path(sheets[1]).touch()
    with pytest.raises(RasterError, match="is not what it was when the parts were made"):
        merged(tmp_path / "a", place, options, overwrite=True)


def test_shares_of_a_survey_are_joined_in_place(make_raster, tmp_path, capsys):
    """Each scene belongs to one share; joined, the reports name all of them, the bad ones too."""
    folder, out = tmp_path / "sheets", tmp_path / "maps"
    folder.mkdir()
    image = np.kron(np.eye(4), np.ones((12, 12))).astype(np.uint8) * 200
    for name in "abcde":
        make_raster(image, name=f"sheets/{name}.tif")
    (folder / "f.tif").write_bytes(b"no raster")
    words = ["batch", str(folder), "-m", "otsu", "--gsd", "native", "-q"]
    assert main([*words, "-o", str(tmp_path / "whole")]) == 3
    codes = {main([*words, "-o", str(out), "--shard", f"{number}/3"]) for number in (3, 1)}
    assert main(["merge", str(out), "-o", str(out)]) == 2
    assert "shards 2-of-3 are missing; do them too" in capsys.readouterr().err
    codes.add(main([*words, "-o", str(out), "--shard", "2/3"]))
    assert codes == {0, 3}
    assert main(["merge", str(out), "-o", str(out), "--json"]) == 3
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["scenes"], len(told["failed"]), len(told["out"])) == (6, 1, 5)
    assert len((out / "report.jsonl").read_text().splitlines()) == 6
    assert contents_of(out) == contents_of(tmp_path / "whole")
    assert main(["merge", str(out), "-o", str(tmp_path / "other")]) == 2


def test_shares_that_were_asked_for_otherwise_are_not_joined(make_raster, tmp_path, capsys):
    """Half of a survey with another option is named with both values, and what stands stays."""
    for name in "abcd":
        make_raster(np.kron(np.eye(4), np.ones((12, 12))).astype(np.uint8), name=f"{name}.tif")
    words = ["batch", *(str(tmp_path / f"{name}.tif") for name in "abcd"), "-m", "otsu", "-q"]
    out, gsd = str(tmp_path / "maps"), ("--gsd", "native")
    for number, more in ((1, ()), (2, ("--min-area", "9"))):
        assert main([*words, *gsd, "-o", out, "--shard", f"{number}/2", *more]) == 0
    assert main(["merge", out, "-o", out]) == 2
    told = capsys.readouterr().err
    assert "shards 1-of-2 and 2-of-2 were asked for otherwise (min_area not given, now 9.0)" in told
    assert not (tmp_path / "maps" / "report.html").exists()
    assert main([*words, *gsd, "-o", out, "--shard", "2/2", "--overwrite"]) == 0
    assert main(["merge", out, "-o", out]) == 0


def test_a_share_of_a_survey_counts_its_own_scenes(make_raster, tmp_path, monkeypatch):
    """Its progress ends where it is done, not at the scenes of all."""
    seen = []

    class Heard:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return lambda done, total, *_: seen.append((done, total))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("geounet.cli.batch.Bar", Heard)
    rasters = [str(make_raster(np.eye(40, dtype=np.uint8), name=f"{each}.tif")) for each in "abcd"]
    words = ["-o", str(tmp_path / "maps"), "-m", "otsu", "--gsd", "native", "--shard", "1/2"]
    assert main(["batch", *rasters, *words]) == 0
    assert seen[-1][0] == seen[-1][1] < 4


def contents_of(folder):
    """The packages of a survey's folder."""
    return {path.name: tables(path) for path in folder.glob("*.gpkg")}


def test_two_ways_to_work_are_refused(town, tmp_path, capsys):
    """A shard has no cluster, and parts without either lie nowhere."""
    words = ["batch", str(town), "-o", str(tmp_path / "a")]
    for more in (["--shard", "1/2", "--cluster", "2"], ["--cluster", "2", "--workers", "2"]):
        assert main([*words, *more]) == 2
        assert "are two ways to work; leave one out" in capsys.readouterr().err
    assert main([*words, "--parts", "x"]) == 2
    assert main([*words, "--shard", "9/2"]) == 2
    assert "a shard is I/N with I from 1 to N, got 9/2; try 1/2" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_a_surface_of_a_survey_is_done_in_shards(town, tmp_path, capsys):
    """`batch -o FILE.gpkg --shard` writes parts, which merge joins."""
    words = ["batch", str(town), "-m", "otsu", "--gsd", "native", "-q"]
    for number in (1, 2):
        assert main([*words, "-o", str(tmp_path / "s.gpkg"), "--shard", f"{number}/2"]) == 0
    assert main(["merge", str(tmp_path / "s.gpkg"), "-o", str(tmp_path / "s.gpkg"), "-q"]) == 0
    (tmp_path / "whole").mkdir()
    assert main([*words, "-o", str(tmp_path / "whole" / "s.gpkg")]) == 0
    found = [contents_of(folder)["s.gpkg"] for folder in (tmp_path, tmp_path / "whole")]
    assert found[0] == found[1]
