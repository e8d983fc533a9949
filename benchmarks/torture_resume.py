"""Kill predictions at random moments, fill their disk, and see what --resume makes of them.

    python benchmarks/torture_resume.py kill [--rounds 20] [--size 768] [--seed 1]
    python benchmarks/torture_resume.py batch [--rounds 20] [--workers 1]
    python benchmarks/torture_resume.py disk [--size 768]        (mounts a tmpfs: needs the right)

Each round runs the installed command with the bundled model on a sample scene, kills it with
SIGKILL, and goes on until it is done; some rounds are killed several times. Meanwhile the paths of
the outputs are looked at every 20 ms: at any moment each is absent, or whole. The result is
compared with that of an uninterrupted run: rasters and runs byte by byte, packages table by table.
`batch` does so with a survey of six scenes, one of them broken; its report must be the same too but
for its seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

GEOUNET = Path(sys.executable).with_name("geounet")
TILE = ("--tile", "288", "--halo", "96", "--threads", "1", "--backend", "torch")
NAMES = ("o.gpkg", "p.tif", "m.tif", "r.json")
SHARES = (0.3, 0.7, 0.97)
SCENES = 6
SURELY, PERHAPS = 0.95, 1.3
"""Latest moments at which a run is killed, as shares of what it takes: the first, later ones."""
REPORTS = ("report.csv", "report.html")
"""Files that tell of seconds and dates."""


def command(scene: Path, folder: Path, *more: str) -> list[str]:
    """Return the words of a prediction with all outputs of pixels."""
    out, *sides = (str(folder / name) for name in NAMES)
    named = [
        w for pair in zip(("--probability", "--mask", "--rle"), sides, strict=True) for w in pair
    ]
    return [str(GEOUNET), "predict", str(scene), "-o", out, *named, *TILE, "-q", *more]


def survey(scenes: Path, folder: Path, *more: str) -> list[str]:
    """Return the words of a survey with masks beside the footprints."""
    words = [str(GEOUNET), "batch", str(scenes), "-o", str(folder), "--mask", str(folder / "masks")]
    return [*words, *TILE, "-q", *more]


def outputs(folder: Path) -> list[str]:
    """Return what was written into a folder, but for what tells of time."""
    found = [path for path in folder.rglob("*") if path.is_file() and ".survey" not in path.parts]
    return sorted(str(path.relative_to(folder)) for path in found if path.name not in REPORTS)


@dataclass
class Watch:
    """Looks at the outputs every 20 ms, and keeps each state that they were seen in."""

    folder: Path
    """Where they appear."""
    names: Collection[str]
    """Which they are."""
    seen: dict[str, set[str]] = field(default_factory=dict)
    """Name → what was seen of it: a hash of each content."""
    looks: int = 0
    """How often."""

    def __enter__(self) -> Self:
        """Begin."""
        self._over, self._known = threading.Event(), {}
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.looks += 1
            for name in self.names:
                with suppress(FileNotFoundError):
                    self._note(name)

    def _note(self, name: str) -> None:
        path = self.folder / name
        found = path.stat()
        mark = found.st_ino, found.st_size, found.st_mtime_ns
        if self._known.get(name) != mark:
            self._known[name] = mark
            self.seen.setdefault(name, set()).add(content(path))


def content(path: Path) -> str:
    """Return a hash of a file, of a package's tables; they must be whole to have one."""
    found = sha256()
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        told = [[row["raster"], row["out"] and Path(row["out"]).name, row["footprints"],
                 row["error"]] for row in rows]  # fmt: skip
        return sha256(json.dumps(told).encode()).hexdigest()
    if path.suffix != ".gpkg":
        return sha256(path.read_bytes()).hexdigest()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = file.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for (name,) in names.fetchall():
            if not name.startswith("rtree_"):
                found.update(repr(file.execute(f'SELECT * FROM "{name}"').fetchall()).encode())  # noqa: S608
    return found.hexdigest()


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of each output."""
    return {name: content(folder / name) for name in outputs(folder)}


def killed(words: list[str], after: float) -> bool:
    """Run a command and kill it after some seconds; return whether it was still at it."""
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        running.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
        running.communicate()
        return True
    assert running.returncode in (0, 3)
    return False


def kill(options: argparse.Namespace, folder: Path) -> None:
    """Kill predictions at random moments."""
    scene = sample(folder, options.size)
    rounds(options, folder, partial(command, scene))


def batch(options: argparse.Namespace, folder: Path) -> None:
    """Kill surveys at random moments."""
    scenes = folder / "scenes"
    (scenes / "north").mkdir(parents=True)
    town = sample(folder, options.size // 2).read_bytes()
    for number in range(SCENES):
        broken = number == SCENES // 2
        place = scenes / "north" if number % 2 else scenes
        (place / f"{number // 2}.tif").write_bytes(town[:-9000] if broken else town)
    rounds(options, folder, partial(survey, scenes), "--workers", str(options.workers))


def rounds(
    options: argparse.Namespace, folder: Path, words: Callable[..., list[str]], *more: str
) -> None:
    """Kill at random moments; say of each round whether its result is the expected one."""
    expected, took = reference(folder, words, *more)
    dice, equal = random.Random(options.seed), 0  # noqa: S311 - no secret
    for number in range(1, options.rounds + 1):
        work = folder / f"round{number}"
        work.mkdir()
        deaths, latest = 0, SURELY
        with Watch(work, expected) as watch:
            while killed(words(work, "--resume", *more), dice.uniform(0.3, latest) * took):
                deaths, latest = deaths + 1, PERHAPS
        same = contents(work) == expected
        whole = all(found == {expected[name]} for name, found in watch.seen.items())
        clean = not list(work.rglob("*.state*"))
        equal += same and whole and clean
        line = {"round": number, "deaths": deaths, "looks": watch.looks}
        print(json.dumps(line | {"equal": same, "never half": whole, "clean": clean}), flush=True)
        shutil.rmtree(work)
    print(f"{equal} of {options.rounds} rounds equal the uninterrupted run ({took:.1f} s)")
    sys.exit(equal != options.rounds)


def disk(options: argparse.Namespace, folder: Path) -> None:
    """Fill a small disk at several shares of the need; make room; go on."""
    scene = sample(folder, options.size)
    expected, _ = reference(folder, partial(command, scene))
    with mounted(folder / "large", 2 << 30) as large, Peak(large) as peak:
        subprocess.run(command(scene, large), check=True, stdout=subprocess.DEVNULL)
    need, good = peak.used, 0
    print(json.dumps({"need_bytes": need}))
    for share in SHARES:
        with mounted(folder / "small", int(share * need)) as small:
            good += full(scene, small, share, need, expected)
    sys.exit(good != len(SHARES))


def full(scene: Path, small: Path, share: float, need: int, expected: dict[str, str]) -> bool:
    """Run out of space over an earlier output, grow the disk, go on; return whether all is well."""
    earlier = small / NAMES[0]
    earlier.write_bytes(b"earlier")
    done = subprocess.run(
        command(scene, small, "--overwrite"), capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stderr.splitlines() if "warning" not in line]
    left = sorted(path.name for path in small.iterdir())
    kept = earlier.read_bytes() == b"earlier"
    subprocess.run(["mount", "-o", f"remount,size={4 * need}", small], check=True)  # noqa: S607
    more = ["--resume"] if len(left) > 1 else ["--overwrite"]
    again = subprocess.run(command(scene, small, *more), check=False, stdout=subprocess.DEVNULL)
    found = {
        "share": share, "exit": done.returncode, "lines": lines, "left": left, "earlier kept": kept,
        "then": more[0], "again": again.returncode,
        "equal": again.returncode == 0 and contents(small) == expected,
    }  # fmt: skip
    print(json.dumps(found), flush=True)
    return done.returncode == 1 and len(lines) == 1 and kept and bool(found["equal"])


class Peak:
    """The most that was ever used of a disk, looked at every 5 ms."""

    def __init__(self, folder: Path) -> None:
        """Look at the disk of a folder."""
        self._folder, self.used = folder, 0

    def __enter__(self) -> Self:
        """Begin."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.005):
            self.used = max(self.used, shutil.disk_usage(self._folder).used)


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """Mount a small disk in memory."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)  # noqa: S607
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S607
        folder.rmdir()


def sample(folder: Path, size: int) -> Path:
    """Return a sample scene."""
    words = [GEOUNET, "sample", folder / "scene", "--size", str(size), "--seed", "1", "-f"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return folder / "scene" / "town.tif"


def reference(
    folder: Path, words: Callable[..., list[str]], *more: str
) -> tuple[dict[str, str], float]:
    """Return what an uninterrupted run gives, and its seconds."""
    for name in ("cold", "whole"):  # what the first caches, the second finds, as all after it
        (folder / name).mkdir()
        started = time.monotonic()
        done = subprocess.run(words(folder / name, *more), check=False, stdout=subprocess.DEVNULL)
        assert done.returncode in (0, 3)
        took = time.monotonic() - started
    return contents(folder / "whole"), took


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kill", "batch", "disk"])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    todo: dict[str, Any] = {"kill": kill, "batch": batch, "disk": disk}
    os.environ["PYTHONWARNINGS"] = "ignore"
    with tempfile.TemporaryDirectory() as folder:
        todo[options.what](options, Path(folder))


if __name__ == "__main__":
    main()
