"""Folders, lists and parts that a survey or a merge must not take as they are."""

from __future__ import annotations

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from geounet.cli.main import main

from torture.case import OK, PARTLY, Case
from torture.makers import both, nothing, raster
from torture.outputs import open_for, put, state


def batch(name, make, says="", *more, of=("{in}",), out="{out}/maps", **how):
    """A case of a survey."""
    words = ("batch", *of, "-o", out, "-m", "{model}", "-q", *more)
    return Case(name, make, says, words=words, **how)


def merge(name, make, says="", *more, of=("{in}/parts",), out="{out}/o.gpkg", **how):
    """A case of a merge."""
    return Case(name, make, says, words=("merge", *of, "-o", out, "-q", *more), **how)


def file(name, content=b""):
    """A maker of a file, and of the folders that it is in."""

    def make(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return make


def within(name, make):
    """A maker in a folder of the folder."""

    def made(folder):
        (folder / name).mkdir()
        make(folder / name)

    return made


def mode(name, number):
    """A maker that says who may use what is there."""
    return lambda folder: (folder / name).chmod(number)


@lru_cache
def _parts(*words):
    """The bytes of two parts of a run, by their names."""
    with tempfile.TemporaryDirectory() as home:
        raster()(Path(home))
        run = ["predict", f"{home}/a.tif", "-o", f"{home}/o.gpkg", "-m", "otsu", "-q", *words]
        for number in (1, 2):
            assert main([*run, "--tile", "16", "--halo", "0", "--shard", f"{number}/2"]) == 0
        return {path.name: path.read_bytes() for path in Path(home, "o.gpkg.parts").iterdir()}


def parts(*names, run=()):
    """A maker of parts of a run, of all or of those that are named."""

    def make(folder):
        (folder / "parts").mkdir(exist_ok=True)
        for name, content in _parts(*run).items():
            if not names or name in names:
                (folder / "parts" / name).write_bytes(content)

    return make


def cut(folder):
    """The last bytes of a part are missing."""
    path = folder / "parts/2-of-2.part"
    path.write_bytes(path.read_bytes()[:-7])


def copied(folder):
    """A part is there by another name, too."""
    shutil.copy(folder / "parts/1-of-2.part", folder / "parts/copy.part")


ONE, TWO = "1-of-2.part", "2-of-2.part"
LIST = ("{in}/list.txt",)
SIDES = both(file("._a.tif"), file(".b.tif"), file("a.tif.part"), file(".trash/c.tif"))
CASES = [
    batch("sidecars and hidden files", both(raster(), SIDES), verdict=OK),
    batch("an empty folder", nothing, "no raster there"),
    batch("a folder that is not there", nothing, "no such file or folder", of=("{in}/gone",)),
    batch("a folder that may not be read", both(raster(), within("locked", raster()), mode("locked", 0)),
          "locked: cannot be read", needs_root=True),
    batch("a list that may not be read", both(file("list.txt", b"a.tif"), mode("list.txt", 0)),
          "list.txt: cannot be read", of=LIST, needs_root=True),
    batch("a glob that matches nothing", raster(), "no raster there", of=("{in}/*.jp2",)),
    batch("a list with a scene that is gone", both(raster(), file("list.txt", b"a.tif\ngone.tif\n")),
          "gone.tif: no such file", of=LIST, verdict=PARTLY),
    batch("a list of nothing", file("list.txt", b"# soon\n"), "names no raster", of=LIST),
    batch("a list that is no text", file("list.txt", b"a\0b\n"), "neither a raster nor a list", of=LIST),
    batch("a sheet of no bytes", both(raster(), file("z.tif")), "z.tif: ", verdict=PARTLY),
    batch("no sheet of use", file("z.tif"), "z.tif: ", verdict=PARTLY),
    batch("maps among the sheets", nothing, of=("{out}/in",), out="{out}/in/maps",
          before=within("in", raster()), verdict=OK),
    batch("maps beside the sheets", nothing, of=("{out}/in",), out="{out}/in",
          before=within("in", raster()), verdict=OK),
    batch("a file where the folder should be", raster(), "need a folder", before=put("maps")),
    batch("a map of another hand", raster(), "exists already", before=file("maps/a.gpkg", b"mine")),
    batch("a mask of another hand", raster(), "exists already", "--mask", "{out}/m", before=file("m/a.tif")),
    batch("a mask of another hand, for a share", raster(), "exists already", "--mask", "{out}/m", "--shard", "1/1",
          before=file("m/a.tif")),
    Case("a mask of another hand, for several", both(raster(), raster("b.tif")), "exists already", words=(
         "predict", "{in}", "-o", "{out}/maps", "--mask", "{out}/m", "-m", "{model}"), before=file("m/b.tif")),
    batch("an option out of range", raster(), "threshold must lie", "--threshold", "7"),
    batch("a mask over a sheet", nothing, "is an input of the survey", "--mask", "{out}/in", "-f",
          of=("{out}/in",), before=within("in", raster())),
    batch("an area elsewhere", raster(), "", "--bbox", "0,0,1,1", verdict=OK),
    batch("no sheet with a place", raster(crs=None), "none of 1 sheets can be used", out="{out}/s.gpkg"),
    batch("a surface over a sheet", raster(), "need a folder", out="{in}/a.tif"),
    merge("parts", parts(), verdict=OK),
    merge("a part is cut short", both(parts(), cut), f"{TWO}: is damaged"),
    merge("a part of no bytes", both(parts(ONE), file(f"parts/{TWO}")), f"{TWO}: is damaged"),
    merge("a part of another run", both(parts(ONE), parts(TWO, run=("--min-area", "9"))), "another run"),
    merge("a part is missing", parts(ONE), "shard 2/2 missing"),
    merge("a part is named twice", parts(), "holds too", of=("{in}/parts", f"{{in}}/parts/{ONE}")),
    merge("a part has two names", both(parts(), copied), "holds too"),
    merge("a part that may not be read", both(parts(), mode(f"parts/{ONE}", 0)), "cannot be read",
          needs_root=True, before=open_for(0o777)),
    merge("a folder like a part", both(parts(), lambda f: (f / "parts/3-of-2.part").mkdir()), "cannot be read"),
    merge("a sidecar of a part", both(parts(), file(f"parts/._{ONE}", b"Mac OS X")), verdict=OK),
    merge("no part in the folder", lambda f: (f / "parts").mkdir(), "holds no part"),
    merge("no folder of parts", nothing, "holds no part"),
    merge("the run alone", parts("run.json"), "is no part", of=("{in}/parts/run.json",)),
    merge("a place nobody knows", nothing, "nowhere", of=("nowhere://parts",)),
    merge("over a map", parts(), "exists already", before=put("o.gpkg")),
    merge("over a map, as asked", parts(), "", "-f", before=put("o.gpkg"), verdict=OK),
    merge("over a run that died", parts(), "what an unfinished run had done", before=state),
    merge("into a part", parts(), "unknown kind of output", out="{in}/parts/1-of-2.part"),
]  # fmt: skip
