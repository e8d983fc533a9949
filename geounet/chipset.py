"""A dataset of chips on disk: it appears as a whole, with its table and its manifest."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter, defaultdict
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from geounet.cutter import PARTS
from geounet.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SPLITS = ("train", "validation", "test")
MANIFEST, TABLE = "dataset.toml", "chips.csv"

_NOTE = """\
# Written by geounet chips. Train with: geounet train FOLDER -o model.safetensors
"""


@contextmanager
def new_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a folder that becomes `out` when all is written, and is gone after an error."""
    try:
        home = Path(mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise OutputError(f"{out}: its folder cannot be written to ({error.strerror})") from error
    try:
        for split, part in product(SPLITS, PARTS):
            (home / "new" / split / part).mkdir(parents=True)
        yield home / "new"
        if overwrite and out.exists():
            out.rename(home / "old")
        try:
            (home / "new").rename(out)
        except OSError:
            if (home / "old").exists():
                (home / "old").rename(out)
            raise
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{out}: cannot be written ({error.strerror}); free some space"
        ) from error
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a row a chip."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_manifest(
    path: Path,
    rows: Sequence[dict[str, Any]],
    gsds: Mapping[str, float | None],
    classes: Sequence[str] = (),
) -> None:
    """Write a set a raster and split; each chip is drawn from as often as any other.

    Args:
        path: TOML to write.
        rows: of all chips.
        gsds: metres a pixel of each raster.
        classes: names of the numbers in masks; none where all that is labelled is one.
    """
    counts = Counter((row["raster"], row["split"]) for row in rows)
    chips = defaultdict(set)
    for row in rows:
        chips[row["raster"], row["split"]].add(_pattern(row))
    lines = [_NOTE, *([f"classes = {_toml([*classes])}\n"] if classes else [])]
    for name, split in product(gsds, SPLITS):
        if counts[name, split]:
            entries = {
                "name": name,
                "split": split,
                "images": f"{split}/{PARTS[0]}/*.tif",
                "only": sorted(chips[name, split]),
                "labels": f"{split}/{PARTS[1]}",
                "gsd": gsds[name],
                "scene": name,
                "weight": float(counts[name, split]),
            }
            lines.append("[[set]]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in entries.items()))
    path.write_text("\n".join(lines), encoding="utf-8")


def _pattern(row: dict[str, Any]) -> str:
    """Return a glob of the chips of a raster whose place has as many digits: six, seldom more."""
    places = ("?" * max(len(str(row[axis])), 6) for axis in ("row", "col"))
    return "_".join((_literal(row["raster"]), *places))


def _literal(name: str) -> str:
    """Return a name as a glob that only it matches."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # text, lists and numbers are written alike
