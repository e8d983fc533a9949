"""Scenes of a survey: found in folders, by globs and in lists, each with a name of its own."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING

from geounet.errors import RasterError
from geounet.inputs import SUFFIXES, find_rasters, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEPT = ".survey"
"""Folder among its outputs that holds what a survey keeps for itself."""

BETWEEN = "__"
"""Between the folders of a name."""


@dataclass(frozen=True)
class Scene:
    """One raster of a survey."""

    name: str
    """Its own in the survey, fit for a file name."""
    raster: str
    """File or URL."""


def find_scenes(asked: Sequence[str], besides: Sequence[Path] = ()) -> list[Scene]:
    """Return the scenes of folders, globs, lists and rasters, sorted by name.

    A folder stands for all rasters in it and below, hidden ones left out; a text file for the
    rasters it names, a line each, from its own folder. What leads to the same file is one scene.

    Args:
        asked: what a user typed.
        besides: folders of outputs, which hold no scenes though they may lie among them.

    Raises:
        RasterError: a folder, glob or list has no raster, or cannot be read.
    """
    try:
        rasters = [raster for one in asked for raster in _expanded(one, besides)]
    except OSError as error:
        told = f"{error.filename}: cannot be read ({(error.strerror or str(error)).lower()})"
        raise RasterError(f"{told}; check the path, and who may read it") from error
    once = {os.path.realpath(raster) if "://" not in raster else raster: raster
            for raster in reversed(rasters)}  # fmt: skip
    local = [raster for raster in once.values() if "://" not in raster]
    root = _root(asked, local)
    named = _named({raster: _words(raster, root) for raster in sorted(once.values())})
    return sorted((Scene(name, raster) for raster, name in named.items()), key=lambda it: it.name)


def _expanded(one: str, besides: Sequence[Path]) -> list[str]:
    path = Path(one)
    if "://" in one:
        return [one]
    if path.is_dir():
        return some(sorted(map(str, _below(path, {each.resolve() for each in besides}))), one)
    if not path.exists() and not has_magic(one):
        raise RasterError(f"{one}: no such file or folder; check the path")
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        return _listed(path)
    return find_rasters([one])


def _below(folder: Path, besides: set[Path]) -> Iterator[Path]:
    """Yield the rasters in a folder and below; links are followed, each folder once.

    Folders that other surveys wrote to hold maps, no scenes.

    Raises:
        OSError: one cannot be read: what is in it must not be taken for gone.
    """
    seen = besides - {folder.resolve()}
    for place, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        here = Path(place)
        if here.resolve() in seen or (here != folder and KEPT in folders):
            folders.clear()
            continue
        seen.add(here.resolve())
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (here / name for name in files if _is_raster(name))


def _raise(error: OSError) -> None:
    raise error


def _is_raster(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def _listed(path: Path) -> list[str]:
    """The rasters that a text file names; what is not there is a scene that fails."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            words = [line.strip() for line in file]
    except UnicodeDecodeError:
        words = ["\0"]
    if any("\0" in word for word in words):
        raise RasterError(
            f"{path}: neither a raster nor a list of some ({', '.join(SUFFIXES)}, or a text file "
            "in UTF-8 with a path a line); choose another"
        )
    named = [word for word in words if word and not word.startswith("#")]
    if not named:
        raise RasterError(f"{path}: names no raster; write a path a line")
    return [word if "://" in word else str(path.parent / word) for word in named]


def _root(asked: Sequence[str], local: Sequence[str]) -> str:
    """The folder that names begin at: the one that was asked for, or the one all share."""
    if len(asked) == 1 and Path(asked[0]).is_dir():
        return os.path.realpath(asked[0])
    folders = [os.path.dirname(os.path.abspath(raster)) for raster in local]  # noqa: PTH100, PTH120
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # on several drives
        return ""


def _words(raster: str, root: str) -> tuple[str, str]:
    """The name a raster asks for, and its suffix, which may have to tell it from another."""
    if "://" in raster:
        path = Path(re.split(r"[?#]", raster)[0])
        return path.stem, path.suffix[1:]
    path = Path(os.path.abspath(raster))  # noqa: PTH100 - a link keeps its own name
    folder = path.parent.relative_to(root) if path.is_relative_to(root) else Path()
    return BETWEEN.join((*folder.parts, path.stem)), path.suffix[1:]


def _named(asked: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Give each raster a name of its own, also where upper and lower case are the same."""
    wanted = Counter(name.casefold() for name, _ in asked.values())
    taken: set[str] = set()
    named = {}
    for raster, (name, suffix) in asked.items():
        first = f"{name}_{suffix}" if wanted[name.casefold()] > 1 else name
        more = (f"{first}-{number}" for number in range(2, len(asked) + 2))
        named[raster] = next(each for each in (first, *more) if each.casefold() not in taken)
        taken.add(named[raster].casefold())
    return named
