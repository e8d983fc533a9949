"""What is to be done with each raster: where its outputs go, and how it is predicted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geounet.errors import OptionError
from geounet.footprints.formats import SUFFIXES
from geounet.options import SIDES, PredictOptions, targets
from geounet.outputs import check_name, new_folder
from geounet.provenance import files_read
from geounet.raster import open_raster
from geounet.sources import identity
from geounet.survey.find import Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.targets import Targets

KINDS = {
    "probability": ".tif",
    "mask": ".tif",
    "report": ".html",
    "rle": ".json",
    "project": ".qgz",
    "embeddings": ".parquet",
}
"""Side outputs, and what their files in a folder end in."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One raster to predict; any process that sees the same files can do it."""

    name: str
    """Of the scene."""
    raster: str
    """File or URL."""
    out: Path
    """The file of its footprints."""
    options: PredictOptions
    """How it is predicted, with the paths of its side outputs."""
    ours: bool = False
    """What stands at its outputs was made by this survey, and may be replaced."""

    @property
    def targets(self) -> Targets:
        """Where the parts of its result go."""
        return targets(self.out, self.options)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one unit."""

    name: str
    """Of the scene."""
    raster: str
    """File or URL."""
    out: str | None
    """The file of its footprints; None where it failed, or the area asked for is elsewhere."""
    footprints: int
    """How many."""
    seconds: float
    """Wall time."""
    error: str | None = None
    """Why there is no result, in a line."""
    hopeless: bool = False
    """The raster is there and of no use, so nothing of it is kept."""
    result: dict[str, Any] | None = None
    """What was done, as `Result.as_dict` says it."""


Progress = Callable[[Unit, int, int], None]
"""Called with a unit, its tiles done, and its tiles in total."""

Hands = Callable[[Iterable[Unit], Progress], Generator[Outcome, None, None]]
"""Who does the work: units are taken as there are hands free, outcomes come in any order."""


def units_of(scenes: Sequence[Scene], folder: Path, options: PredictOptions) -> list[Unit]:
    """Return each scene with its own files in the folder of footprints and those of the sides.

    What is worth trying once for all of them, each is told.

    Raises:
        OptionError: the folder is a file, or named like one, or has several kinds of footprints.
    """
    if folder.suffix.lower() in SUFFIXES or folder.is_file():
        raise OptionError(f"{len(scenes)} inputs need a folder, got {folder}; name a folder")
    if options.also:
        raise OptionError(f"a folder takes one --out, got also {options.also[0]}; leave it out")
    shared = replace(options, rasters=len(scenes))
    return [
        Unit(
            name=scene.name,
            raster=scene.raster,
            out=folder / f"{scene.name}{SUFFIXES[0]}",
            options=_in_folders(shared, scene.name),
        )
        for scene in scenes
    ]


def files_of(rasters: Sequence[str], out: Path, options: PredictOptions) -> list[Unit]:
    """Return each raster with the files that a prediction of it writes, none of them in the way.

    Raises:
        OptionError: several rasters for one file, or two rasters of one name.
        OutputError: an output exists, or cannot be written.
    """
    units = planned(rasters, out, options)
    if units[0].out != out:
        make_ready(units)
    return units


def planned(rasters: Sequence[str], out: Path, options: PredictOptions) -> list[Unit]:
    """Return each raster with the files that a prediction of it would write; nothing is made.

    One raster goes to the file `out`; of several, or into an existing folder, each goes to files
    of its own name.

    Raises:
        OptionError: several rasters for one file, or two rasters of one name.
    """
    check_name(out)
    scenes = [Scene(Path(raster).stem, raster) for raster in rasters]
    if len(rasters) == 1 and not out.is_dir():
        return [Unit(name=scenes[0].name, raster=rasters[0], out=out, options=options)]
    if len(rasters) == 1 and out.suffix.lower() in SUFFIXES:
        raise OptionError(f"{out}: is a folder, expected a file; choose another output")
    twice = sorted(name for name, count in Counter(it.name for it in scenes).items() if count > 1)
    if twice:
        raise OptionError(
            f"several inputs are called {twice[0]}; geounet batch gives each a name of its own"
        )
    return units_of(scenes, out, options)


def make_ready(units: Sequence[Unit]) -> None:
    """Make the folders of outputs, and refuse what could not be written in the end; then none is.

    Raises:
        OptionError: an output is the input.
        OutputError: an output exists, or cannot be written.
    """
    with ExitStack() as stack:
        for folder in {path.parent for unit in units for path in unit.targets.paths}:
            stack.enter_context(new_folder(folder))
        for unit in units:
            words = unit.options
            unit.targets.check(unit.raster, overwrite=words.overwrite, resume=words.resume)


def check_apart(units: Sequence[Unit]) -> None:
    """Refuse outputs that are the raster of any unit, by whatever name.

    Raises:
        OptionError: one of them.
    """
    rasters = {os.path.realpath(unit.raster) for unit in units if "://" not in unit.raster}
    for unit in units:
        for path in unit.targets.paths:
            if os.path.realpath(path) in rasters:
                raise OptionError(f"{path}: is an input of the survey; choose another folder")


def identity_of(raster: str) -> str:
    """Return one line that changes when the pixels of a scene may, or their place; opens no raster.

    Raises:
        RasterError: it is not there.
    """
    if "://" in raster:
        return raster
    path = Path(raster)
    if path.suffix.lower() == ".vrt":
        with open_raster(path, allow_vrt=True) as reader:
            return files_read(reader.info)
    ending = path.suffix[1:]
    worlds = (f"{ending[:1]}{ending[-1:]}w", f"{ending}w", "wld")
    sides = [path.with_suffix(f".{word}") for word in (*worlds, *map(str.upper, worlds))]
    there = [side for side in (*sides, Path(f"{raster}.msk")) if side.exists()]
    return ", ".join(map(identity, [path, *there]))


def _in_folders(options: PredictOptions, name: str) -> PredictOptions:
    folders = {kind: getattr(options, kind) for kind in SIDES}
    paths: dict[str, Any] = {
        kind: Path(at) / f"{name}{KINDS[kind]}" for kind, at in folders.items() if at is not None
    }
    return replace(options, **paths)
