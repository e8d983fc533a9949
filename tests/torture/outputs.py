"""Places where a result cannot, or must not, be written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from torture.case import OK, Case
from torture.makers import both, nothing, raster
from torture.vrts import vrt

if TYPE_CHECKING:
    from pathlib import Path


def case(name, says, out, *more, before=nothing, make=None, code=None, **how):
    """A case of an output."""
    words = ("predict", "{in}/a.tif", "-o", out, "-m", "{model}", "-q", *more)
    return Case(name, make or raster(), says, words=words, before=before, code=code, **how)


def put(name, content="mine"):
    """A maker of a file in the folder of outputs."""
    return lambda folder: (folder / name).write_text(content)


def to_input(kind):
    """A maker of a link to the input in the folder of outputs."""

    def make(folder):
        source = folder.parent / "in/a.tif"
        if kind == "hard":
            (folder / "m.tif").hardlink_to(source)
        else:
            (folder / "m.tif").symlink_to(source)

    return make


def lock(folder):
    """Nobody may write there."""
    folder.chmod(0o555)


def open_for(mode):
    """A maker that lets everybody into the folder of outputs."""

    def make(folder):
        for path in (folder, folder.parent, *folder.parent.glob("in/*")):
            path.chmod(mode)

    return make


def protected(folder):
    """A file that may not be written, in a folder that may."""
    (folder / "o.gpkg").write_text("mine")
    (folder / "o.gpkg").chmod(0o444)
    folder.chmod(0o777)


def state(folder: Path) -> None:
    """What a run that died has left, its plan damaged."""
    (folder / "o.gpkg.state").mkdir()
    (folder / "o.gpkg.state/run.json").write_text("{")
    (folder / "o.gpkg.state/cells.log").write_bytes(b"cell" + b"\xff" * 90)


def _vrt(folder: Path) -> None:
    (folder / "a.vrt").write_text(vrt())


MASK = ("--mask", "{out}/m.tif")
CASES = [
    case("the input", "is the input|unknown kind", "{in}/a.tif", "-f"),
    case("a mask over the input", "is the input", "{out}/o.gpkg", "--mask", "{in}/a.tif", "-f"),
    case("a link to the input", "is the input", "{out}/o.gpkg", *MASK, "-f", before=to_input("soft")),
    case("a hard link to the input", "is the input", "{out}/o.gpkg", *MASK, "-f", before=to_input("hard")),
    case("the input by a detour", "is the input", "{out}/o.gpkg", "--mask", "{in}/../in/a.tif", "-f"),
    Case("the source of a VRT", both(raster("b.tif"), _vrt), "is read by this run", words=(
         "predict", "{in}/a.vrt", "-o", "{out}/o.gpkg", "-m", "{model}", "--mask", "{in}/b.tif", "-f")),
    case("a folder", "is a folder|unknown kind", "{out}/o.gpkg", before=lambda f: (f / "o.gpkg").mkdir()),
    case("no suffix", "no suffix", "{out}/o"),
    case("an unknown suffix", "unknown kind of output", "{out}/o.dwg"),
    case("a suffix in capitals", "", "{out}/O.GPKG", verdict=OK),
    case("a mask that is a vector", "unknown kind of output", "{out}/o.gpkg", "--mask", "{out}/m.gpkg"),
    case("a folder that is not there", "folder does not exist; run: mkdir -p", "{out}/no/o.gpkg"),
    case("below a file", "is a file, expected a folder|not a directory", "{out}/f/o.gpkg", before=put("f")),
    case("exists", "exists already; pass --overwrite", "{out}/o.gpkg", before=put("o.gpkg")),
    case("exists, and has a journal", "is open in another program", "{out}/o.gpkg", "-f",
         before=both(put("o.gpkg"), put("o.gpkg-wal", "x"))),
    case("a mask that exists", "exists already", "{out}/o.gpkg", *MASK, before=put("m.tif")),
    case("twice the same", "same path", "{out}/o.gpkg", *MASK, "--probability", "{out}/m.tif"),
    case("twice of a kind", "of one kind", "{out}/o.gpkg", "-o", "{out}/p.gpkg"),
    case("a name too long", "name too long", "{out}/" + "o" * 300 + ".gpkg"),
    case("a name just too long for its state", "too long", "{out}/" + "o" * 249 + ".gpkg"),
    case("a control character", "in its path", "{out}/o\x01.gpkg"),
    case("nothing", "an argument is empty", ""),
    case("/dev/null", "unknown kind of output", "/dev/null", "-f"),
    case("stdout", "unknown kind of output", "-"),
    case("/dev/stdout", "unknown kind of output", "/dev/stdout", "-f"),
    case("a pipe", "no regular file", "{out}/o.gpkg", "-f", before=lambda f: os.mkfifo(f / "o.gpkg")),
    case("a link to nothing", "", "{out}/o.gpkg", "-f", before=lambda f: (f / "o.gpkg").symlink_to("gone/x.gpkg"),
         verdict=OK),
    case("a link to itself", "", "{out}/o.gpkg", "-f", before=lambda f: (f / "o.gpkg").symlink_to("o.gpkg"), verdict=OK),
    case("a URL", "", "https://127.0.0.1:9/o.gpkg"),
    case("a folder in the way of the state", "is in the way", "{out}/o.gpkg",
         before=lambda f: (f / "o.gpkg.state/mine").mkdir(parents=True)),
    case("a file in the way of the state", "", "{out}/o.gpkg", before=put("o.gpkg.state")),
    case("a state that is damaged", "damaged, so what was done is of no use", "{out}/o.gpkg", "--resume",
         before=state, verdict="warning"),
    case("a folder that may not be written", "not writable", "{out}/o.gpkg",
         before=both(open_for(0o755), lock), needs_root=True),
    case("a file that may not be written", "write-protected", "{out}/o.gpkg", "-f",
         before=both(open_for(0o755), protected), needs_root=True),
    case("a report that is none", "unknown kind of output", "{out}/o.gpkg", "--report", "{out}/r.pdf"),
    case("run lengths that are none", "unknown kind of output", "{out}/o.gpkg", "--rle", "{out}/r.xml"),
]  # fmt: skip
