"""Put strips of segments together into the files of a result, and let them appear at once."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geounet.cog import CogWriter, class_writer, probability_writer
from geounet.errors import OptionError, OutputError
from geounet.footprints.outlines.neighbours import Outliner
from geounet.footprints.outlines.workers import Workers
from geounet.footprints.parts.part import Parter
from geounet.footprints.parts.store import Store
from geounet.footprints.spool import Spool
from geounet.footprints.table import STATUSES, TableOptions, drawn, output_crs, write_gpkg
from geounet.footprints.trace import Tracer
from geounet.outputs import check_target, staged
from geounet.quantise import classify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from geounet.footprints.outlined import Outlined
    from geounet.footprints.outlines.outline import OutlineOptions
    from geounet.footprints.rings import Footprints
    from geounet.plan import Plan
    from geounet.raster import RasterInfo
    from geounet.walk import Segment, Tally

VECTOR_SUFFIXES = (".gpkg",)
RASTER_SUFFIXES = (".tif", ".tiff")
REPORT_SUFFIXES = (".html",)


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

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them, the footprints first."""
        optional = (self.probability, self.mask, self.report)
        return (self.footprints, *(path for path in optional if path is not None))

    @property
    def rasters(self) -> bool:
        """Whether a raster is wanted."""
        return self.probability is not None or self.mask is not None

    def check(self, raster: str | Path, *, overwrite: bool) -> None:
        """Refuse what could not be written in the end, before the work starts.

        Raises:
            OptionError: an unknown suffix, an output that is the input, or the same path twice.
            OutputError: an output exists, or its folder cannot be written to.
        """
        suffixes = (VECTOR_SUFFIXES, RASTER_SUFFIXES, RASTER_SUFFIXES, REPORT_SUFFIXES)
        wanted = (self.footprints, self.probability, self.mask, self.report)
        for path, known in zip(wanted, suffixes, strict=True):
            if path is not None:
                check_target(path, inputs=[raster], overwrite=overwrite, suffixes=known)
        if len({path.absolute() for path in self.paths}) < len(self.paths):
            raise OptionError("two outputs have the same path; give each its own")

    def spare(self, files: Sequence[str]) -> None:
        """Refuse to replace a file that the run reads, as a source of a VRT is.

        Raises:
            OptionError: an output is one of them.
        """
        for path in filter(Path.exists, self.paths):
            for file in filter(os.path.exists, files):
                if path.samefile(file):
                    raise OptionError(f"{path}: is read by this run; choose another output")


class Assembly:
    """Owner of the outputs of a run: all of them appear when `write` is done, or none."""

    def __init__(
        self,
        info: RasterInfo,
        plan: Plan,
        targets: Targets,
        table: TableOptions,
        outlines: OutlineOptions,
        tally: Tally,
    ) -> None:
        """Keep what is needed; files are opened by the `with` block.

        Args:
            info: of the grid that was inferred.
            plan: of the run.
            targets: checked.
            table: how footprints become rows.
            outlines: how they are drawn.
            tally: whose clocks are used.

        Raises:
            OptionError: the CRS asked for is not known, or holds no map; an output is read.
        """
        output_crs(info, table)
        targets.spare(info.files)
        self._info, self._plan, self.targets = info, plan, targets
        self._table, self._outlines, self._tally = table, outlines, tally
        self._stack = ExitStack()
        self._tracer = Tracer(info.shape, plan.classes)
        self._coverage_tracer = Tracer(info.shape, len(STATUSES))
        self.valid_pixels = 0

    @property
    def wants_q(self) -> bool:
        """Whether segments are to bring their q."""
        return self.targets.rasters or self._outlines.split

    @property
    def folder(self) -> Path:
        """A folder for what waits, beside the output; gone in the end."""
        return self._folder

    def __enter__(self) -> Self:
        """Make the state folder, stage the outputs."""
        with ExitStack() as stack:
            folders: dict[Path, Path] = {}
            for path in self.targets.paths:  # a rename stays on its disk: one folder a place
                if path.parent.resolve() not in folders:
                    folders[path.parent.resolve()] = Path(stack.enter_context(_state(path)))
            self._folder = folders[self.targets.footprints.parent.resolve()]
            self._spool = stack.enter_context(Spool(self._folder / "footprints"))
            self._coverage = stack.enter_context(Spool(self._folder / "coverage"))
            self._store = self._second_look(stack)
            # the footprints are staged first, so that they appear last
            self._staged = {
                path: stack.enter_context(staged(path, folder=folders[path.parent.resolve()]))
                for path in self.targets.paths
            }
            self._writers = ExitStack()
            stack.enter_context(self._writers)
            self._probability, self._mask = self._rasters()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Let the outputs appear, or leave nothing after an error."""
        return self._stack.__exit__(kind, error, trace)

    def staged(self, path: Path) -> Path:
        """Return where a target is written until everything is whole."""
        return self._staged[path]

    def add(self, strip: Sequence[Segment]) -> None:
        """Take the next strip: trace it, write its rows.

        Args:
            strip: cells of one row of tiles, left to right.
        """
        with self._tally.clock("trace"):
            self._spool.append(self._tracer.add_strip([segment.trace for segment in strip]))
            parts = [segment.coverage for segment in strip]
            self._coverage.append(self._coverage_tracer.add_strip(parts))
        self.valid_pixels += sum(segment.valid_pixels for segment in strip)
        with self._tally.clock("write"):
            for segment in strip:
                self._write_rows(segment)

    def write(self, facts: dict[str, Any]) -> int:
        """Finish rasters and footprints; return the number of footprints.

        Args:
            facts: provenance that is stored in the outputs.
        """
        with self._tally.clock("trace"):
            self._spool.append(self._tracer.finish())
            self._coverage.append(self._coverage_tracer.finish())
        with self._tally.clock("write"):
            self._writers.close()
            path = self._staged[self.targets.footprints]
            with Workers() as workers:
                seen = partial(drawn, info=self._info, options=self._table)
                outliner = Outliner(self._spool, seen, self._outlines, workers, self._parter())
                count = write_gpkg(
                    path,
                    self._spool,
                    self._info,
                    self._table,
                    facts,
                    outline=partial(self._outline, outliner),
                    coverage=self._coverage,
                )
        self._tally.seconds["write"] -= self._tally.seconds["regularize"]
        return count

    def _outline(self, outliner: Outliner, batch: Footprints) -> Outlined:
        with self._tally.clock("regularize"):
            return outliner(batch)

    def _second_look(self, stack: ExitStack) -> Store | None:
        """Return where q waits until blobs are parted, if they are."""
        if not self._outlines.split:
            return None
        path = self._folder / "q.bin"
        return stack.enter_context(Store(path, self._plan.classes, self._info.shape))

    def _parter(self) -> Parter | None:
        if self._store is None:
            return None
        return Parter(
            store=self._store,
            transform=self._info.transform,
            crs=self._info.crs,
            least_m2=self._table.min_area_m2,
            least_pixels=self._table.min_pixels,
        )

    def _rasters(self) -> tuple[CogWriter | None, CogWriter | None]:
        targets, enter = self.targets, self._writers.enter_context
        probability = mask = None
        if targets.probability is not None:
            path = self._staged[targets.probability]
            probability = enter(probability_writer(path, self._info, self._table.classes))
        if targets.mask is not None:
            path = self._staged[targets.mask]
            mask = enter(class_writer(path, self._info, len(self._table.classes)))
        return probability, mask

    def _write_rows(self, segment: Segment) -> None:
        if segment.q is None or not segment.valid_pixels:
            return  # what is never written reads as nodata
        if self._store is not None:
            self._store.write(segment.q, segment.cell.core)
        if self._probability is not None:
            self._probability.write(segment.q, segment.cell.core)
        if self._mask is not None:
            labels = classify(segment.q, self._plan.level)
            self._mask.write(np.asarray(labels)[None], segment.cell.core)


def _state(out: Path) -> TemporaryDirectory[str]:
    """The state folder: the only thing a killed run leaves."""
    try:
        return TemporaryDirectory(prefix=f"{out.name}.", suffix=".state", dir=out.parent)
    except OSError as error:
        raise OutputError(f"{out}: its folder cannot be written to ({error.strerror})") from error
