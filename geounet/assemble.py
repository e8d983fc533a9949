"""Put strips of segments together into the files of a result, and let them appear at once."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geounet.cog import CogWriter, class_writer, probability_writer
from geounet.embeddings.pictures import beside
from geounet.embeddings.table import SUFFIXES as EMBEDDING_SUFFIXES
from geounet.embeddings.table import check_installed
from geounet.errors import OptionError, OutputError
from geounet.footprints.formats import SUFFIXES as VECTOR_SUFFIXES
from geounet.footprints.formats import check_formats, convert
from geounet.footprints.outlines.neighbours import Outliner
from geounet.footprints.outlines.workers import Workers
from geounet.footprints.parts.part import Parter
from geounet.footprints.parts.store import Store
from geounet.footprints.spool import Spool
from geounet.footprints.stored import Stored
from geounet.footprints.table import STATUSES, TableOptions, drawn, output_crs, write_gpkg
from geounet.footprints.trace import Tracer
from geounet.outputs import check_target, parts, staged
from geounet.project import shown
from geounet.quantise import classify
from geounet.rle.output import SUFFIXES as RLE_SUFFIXES
from geounet.rle.output import RunFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.footprints.outlined import Outlined
    from geounet.footprints.outlines.outline import OutlineOptions
    from geounet.footprints.rings import Footprints
    from geounet.plan import Plan
    from geounet.raster import RasterInfo
    from geounet.walk import Segment, Tally

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

    def check(self, raster: str | Path, *, overwrite: bool) -> None:
        """Refuse what could not be written in the end, before the work starts.

        Raises:
            OptionError: an unknown suffix, an output that is the input, or the same path twice.
            OutputError: an output exists, or its folder cannot be written to.
        """
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
                check_target(path, inputs=[raster], overwrite=overwrite, suffixes=known)
        if len({path.absolute() for path in self.paths}) < len(self.paths):
            raise OptionError("two outputs have the same path; give each its own")
        kinds = [path.suffix.lower() for path in self.vectors]
        if len(set(kinds)) < len(kinds):
            raise OptionError(f"two outputs are of one kind ({', '.join(kinds)}); leave one out")
        if self.project is not None:
            shown(self.vectors)
        if self.embeddings is not None:
            check_installed(self.embeddings)

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
        self.crs = output_crs(info, table)
        check_formats(targets.vectors, self.crs, asked=table.crs is not None)
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
            self._runs = None
            if self.targets.rle is not None:
                runs = RunFile(self._info, self._table.classes, self._folder)
                self._runs = stack.enter_context(closing(runs))
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

    @property
    def package(self) -> Path:
        """The GeoPackage with the footprints, whether it is asked for or others are made of it."""
        asked = [path for path in self.targets.vectors if path.suffix.lower() == VECTOR_SUFFIXES[0]]
        return self._staged[asked[0]] if asked else self._folder / "footprints.gpkg"

    def staged(self, path: Path) -> Path:
        """Return where a target is written until everything is whole."""
        return self._staged[path]

    def add(self, strip: Sequence[Segment]) -> None:
        """Link the outlines of the next strip.

        Args:
            strip: cells of one row of tiles, left to right.
        """
        with self._tally.clock("trace"):
            self._spool.append(self._tracer.add_strip([segment.trace for segment in strip]))
            parts = [segment.coverage for segment in strip]
            self._coverage.append(self._coverage_tracer.add_strip(parts))
        self.valid_pixels += sum(segment.valid_pixels for segment in strip)

    def written(self, segment: Segment) -> Segment:
        """Keep what others than the outlines need of a cell; return it without that.

        Args:
            segment: the next cell of its band from the top; bands may come in any order.
        """
        if self._runs is not None:
            self._add_runs(self._runs, segment)
        if segment.q is not None and segment.valid_pixels:  # what is never written is nodata
            with self._tally.clock("write"):
                self._write_rows(segment.q, segment.cell.core)
        return replace(segment, q=None)

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
            if self._runs is not None and self.targets.rle is not None:
                self._runs.write(self._staged[self.targets.rle])
            with Workers() as workers:
                seen = partial(drawn, info=self._info, options=self._table)
                words = self._outlines, self._info.shape, workers, self._parter()
                outliner = Outliner(self._spool, seen, *words)
                count = write_gpkg(
                    self.package,
                    self._spool,
                    self._info,
                    self._table,
                    facts,
                    outline=partial(self._outline, outliner),
                    coverage=self._coverage,
                )
            self._convert(facts)
        self._tally.seconds["write"] -= self._tally.seconds["regularize"]
        return count

    def _convert(self, facts: dict[str, Any]) -> None:
        """Copy the footprints from the GeoPackage to the other kinds of files."""
        package = self.package
        rows = [
            Stored(package=package, layer=layer, crs=self.crs, facts=facts)
            for layer in self._table.layers
        ]
        for path in self.targets.vectors:
            if self._staged[path] != package:
                convert(rows, self._staged[path])

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

    def _add_runs(self, runs: RunFile, segment: Segment) -> None:
        window = segment.cell.core
        labels = np.zeros((int(window.height), int(window.width)), np.uint8)
        if segment.q is not None and segment.valid_pixels:
            labels = classify(segment.q, self._plan.level)
        runs.add(labels, window)

    def _write_rows(self, q: NDArray[np.uint8], window: Window) -> None:
        if self._store is not None:
            self._store.write(q, window)
        if self._probability is not None:
            self._probability.write(q, window)
        if self._mask is not None:
            labels = classify(q, self._plan.level)
            self._mask.write(np.asarray(labels)[None], window)


def _state(out: Path) -> TemporaryDirectory[str]:
    """The state folder: the only thing a killed run leaves."""
    try:
        return TemporaryDirectory(prefix=f"{out.name}.", suffix=".state", dir=out.parent)
    except OSError as error:
        raise OutputError(f"{out}: its folder cannot be written to ({error.strerror})") from error
