"""Where the parts of a result go, checked before the work starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geounet.embeddings.pictures import beside
from geounet.embeddings.table import SUFFIXES as EMBEDDING_SUFFIXES
from geounet.embeddings.table import check_installed
from geounet.errors import OptionError
from geounet.footprints.formats import SUFFIXES as VECTOR_SUFFIXES
from geounet.outputs import check_name, check_target, parts
from geounet.project import shown
from geounet.rle.output import SUFFIXES as RLE_SUFFIXES
from geounet.state import check_state, is_unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence

RASTER_SUFFIXES = (".tif", ".tiff")
REPORT_SUFFIXES = (".html",)
PROJECT_SUFFIXES = (".qgz",)


@dataclass(frozen=True)
class Targets:
    """Where the parts of a result go."""

    footprints: Path
    """The vector file."""
    probability: Path | None = None
    """The quantised probability as a COG."""
    mask: Path | None = None
    """The classes as a COG."""
    report: Path | None = None
    """A page to look at."""
    rle: Path | None = None
    """Run lengths of the classes."""
    project: Path | None = None
    """A QGIS project of the others."""
    embeddings: Path | None = None
    """What the network saw, with its pictures beside it."""
    also: tuple[Path, ...] = ()
    """Further vector files with the same footprints, each of another kind."""

    @property
    def vectors(self) -> tuple[Path, ...]:
        """The files of footprints."""
        return (self.footprints, *self.also)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them, the footprints first."""
        optional = (self.probability, self.mask, self.report, self.rle, self.project)
        seen = (self.embeddings, self.pictures)
        return (*self.vectors, *(path for path in (*optional, *seen) if path is not None))

    @property
    def pictures(self) -> Path | None:
        """The pictures of the embeddings."""
        return None if self.embeddings is None else beside(self.embeddings)

    @property
    def rasters(self) -> bool:
        """Whether pixels are wanted."""
        return any(path is not None for path in (self.probability, self.mask, self.rle))

    @property
    def finished(self) -> bool:
        """Whether all of them stand there, and nothing waits to be gone on with."""
        return all(map(Path.exists, self.paths)) and not is_unfinished(self.footprints)

    def check(self, *inputs: str | Path, overwrite: bool, resume: bool = False) -> None:
        """Refuse what could not be written in the end, before the work starts.

        Raises:
            OptionError: an unknown suffix, an output that is the input, or the same path twice.
            OutputError: an output exists, its folder cannot be written to, or an unfinished run
                waits beside it.
        """
        for output in self.paths:
            check_name(output)
        check_state(self.footprints, resume=resume, overwrite=overwrite)
        going_on = resume and (self.finished or is_unfinished(self.footprints))
        overwrite = overwrite or going_on
        wanted = [
            *((path, VECTOR_SUFFIXES) for path in self.vectors),
            (self.probability, RASTER_SUFFIXES),
            (self.mask, RASTER_SUFFIXES),
            (self.report, REPORT_SUFFIXES),
            (self.rle, RLE_SUFFIXES),
            (self.project, PROJECT_SUFFIXES),
            (self.embeddings, EMBEDDING_SUFFIXES),
            (self.pictures, (".zip",)),
        ]
        for path, known in wanted:
            if path is not None:
                check_target(path, inputs=inputs, overwrite=overwrite, suffixes=known)
        if len({path.absolute() for path in self.paths}) < len(self.paths):
            raise OptionError("two outputs have the same path; give each its own")
        kinds = [path.suffix.lower() for path in self.vectors]
        if len(set(kinds)) < len(kinds):
            raise OptionError(f"two outputs are of one kind ({', '.join(kinds)}); leave one out")
        if self.project is not None:
            shown(self.vectors)
        if self.embeddings is not None:
            check_installed(self.embeddings)
            if resume:
                raise OptionError(
                    "embeddings are not kept of a run that died, so --resume cannot go on with "
                    "them; leave out one of the two, geounet embed writes them alone"
                )

    def spare(self, files: Sequence[str]) -> None:
        """Refuse to replace a file that the run reads, as a source of a VRT is.

        Raises:
            OptionError: an output is one of them.
        """
        files_of = [part for path in self.paths for part in (path, *parts(path))]
        for path in filter(Path.exists, files_of):
            for file in filter(os.path.exists, files):
                if path.samefile(file):
                    raise OptionError(f"{path}: is read by this run; choose another output")
