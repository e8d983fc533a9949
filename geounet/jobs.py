"""Several rasters at once: which of them goes where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from geounet.errors import OptionError
from geounet.footprints.formats import SUFFIXES
from geounet.options import SIDES, PredictOptions, targets
from geounet.outputs import check_name, make_folder

if TYPE_CHECKING:
    from collections.abc import Sequence


def targets_of(
    rasters: Sequence[str], out: Path, options: PredictOptions
) -> list[tuple[str, Path, PredictOptions]]:
    """Return each raster with its own output and options, and make the folders they go to.

    Raises:
        OptionError: several rasters for one file, or two rasters of one name.
        OutputError: an output exists, or cannot be written.
    """
    jobs = jobs_of(rasters, out, options)
    if jobs[0][1] == out:
        return jobs
    for folder in filter(None, (out, *(getattr(options, side) for side in SIDES))):
        make_folder(folder)
    for raster, target, chosen in jobs:
        targets(target, chosen).check(raster, overwrite=options.overwrite, resume=options.resume)
    return jobs


def jobs_of(
    rasters: Sequence[str], out: Path, options: PredictOptions
) -> list[tuple[str, Path, PredictOptions]]:
    """Return each raster with its own output and options; nothing is made.

    One raster goes to the file `out`; of several, or into an existing folder, each goes to a file
    of its own name there, and the side outputs to files in their folders likewise.

    Raises:
        OptionError: several rasters for one file, or two rasters of one name.
    """
    check_name(out)
    if len(rasters) == 1 and not out.is_dir():
        return [(rasters[0], out, options)]
    if len(rasters) == 1 and out.suffix.lower() in SUFFIXES:
        raise OptionError(f"{out}: is a folder, expected a file; choose another output")
    if out.suffix.lower() in SUFFIXES:
        raise OptionError(f"{len(rasters)} inputs need a folder, got {out}; name a folder")
    if options.also:
        raise OptionError(f"a folder takes one --out, got also {options.also[0]}; leave it out")
    stems = [Path(raster).stem for raster in rasters]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise OptionError(
            f"several inputs are called {twice[0]}; predict them into folders of their own"
        )
    return [
        (raster, out / f"{stem}{SUFFIXES[0]}", _in_folders(options, stem))
        for raster, stem in zip(rasters, stems, strict=True)
    ]


def _in_folders(options: PredictOptions, stem: str) -> PredictOptions:
    kinds = {
        "probability": ".tif",
        "mask": ".tif",
        "report": ".html",
        "rle": ".json",
        "project": ".qgz",
        "embeddings": ".parquet",
    }
    folders = {kind: getattr(options, kind) for kind in kinds}
    paths = {kind: at / f"{stem}{kinds[kind]}" for kind, at in folders.items() if at is not None}
    return replace(options, **paths)
