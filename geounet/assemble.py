"""Put strips of segments together into the files of a result, and let them appear at once."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from geounet.footprints.formats import SUFFIXES as VECTOR_SUFFIXES
from geounet.footprints.formats import convert
from geounet.footprints.holes import Filler
from geounet.footprints.outlines.neighbours import Outliner
from geounet.footprints.outlines.workers import Workers
from geounet.footprints.spool import Spool
from geounet.footprints.stored import Stored
from geounet.footprints.table import STATUSES, drawn, write_gpkg
from geounet.footprints.trace import Tracer
from geounet.outputs import staged
from geounet.pixels import Pixels
from geounet.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from geounet.footprints.outlined import Outlined
    from geounet.footprints.parts.store import Store
    from geounet.footprints.rings import Footprints
    from geounet.order import Order
    from geounet.walk import Segment, Tally


class Assembly:
    """Owner of the outputs of a run: all of them appear when `write` is done, or none."""

    def __init__(self, order: Order, folder: Path, store: Store | None, tally: Tally) -> None:
        """Keep what is needed; files are opened by the `with` block.

        Args:
            order: what is to be made, checked.
            folder: for what is in the making, on the disk of the footprints.
            store: where the q of all cells waits when `write` is called, if it is wanted.
            tally: whose clocks are used.
        """
        self.order, self._folder, self._store, self._tally = order, folder, store, tally
        self._stack = ExitStack()
        self._tracer = Tracer(order.info.shape, order.plan.classes)
        self._coverage_tracer = Tracer(order.info.shape, len(STATUSES))
        self.valid_pixels = self.failed_pixels = 0

    def __enter__(self) -> Self:
        """Stage the outputs."""
        targets = self.order.targets
        with ExitStack() as stack:
            folders = {targets.footprints.parent.resolve(): self._folder}
            for path in targets.paths:  # a rename stays on its disk: one folder a place
                if path.parent.resolve() not in folders:
                    folders[path.parent.resolve()] = stack.enter_context(State(path)).work
            self._spool = stack.enter_context(Spool(self._folder / "footprints"))
            self._coverage = stack.enter_context(Spool(self._folder / "coverage"))
            # the footprints are staged first, so that they appear last
            self._staged = {
                path: stack.enter_context(staged(path, folder=folders[path.parent.resolve()]))
                for path in targets.paths
            }
            pixels = Pixels(self.order, self._staged, self._folder)
            self._pixels = stack.enter_context(pixels)
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
        vectors = self.order.targets.vectors
        asked = [path for path in vectors if path.suffix.lower() == VECTOR_SUFFIXES[0]]
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
        self.failed_pixels += sum(segment.failed_pixels for segment in strip)

    def written(self, segment: Segment) -> Segment:
        """Keep what others than the outlines need of a cell; return it without that.

        Args:
            segment: the next cell of its band from the top; bands may come in any order.
        """
        with self._tally.clock("write"):
            self._pixels.add(segment)
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
            self._pixels.finish()
            count = self._write_package(facts)
            self._convert(facts)
        self._tally.seconds["write"] -= self._tally.seconds["regularize"]
        return count

    def _write_package(self, facts: dict[str, Any]) -> int:
        info, table = self.order.info, self.order.table
        with Workers() as workers:
            seen = partial(drawn, info=info, options=table)
            words = self.order.outlines, info.shape, workers.begin, self.order.parter(self._store)
            outliner = Outliner(self._spool, seen, *words)
            filler = Filler(
                spool=self._spool, coverage=self._coverage, drawn=seen, info=info, options=table
            )
            return write_gpkg(
                self.package,
                self._spool,
                info,
                table,
                facts,
                outline=partial(self._outlines, outliner, filler),
                coverage=self._coverage,
            )

    def _convert(self, facts: dict[str, Any]) -> None:
        """Copy the footprints from the GeoPackage to the other kinds of files."""
        package = self.package
        rows = [
            Stored(package=package, layer=layer, crs=self.order.crs, facts=facts)
            for layer in self.order.table.layers
        ]
        for path in self.order.targets.vectors:
            if self._staged[path] != package:
                convert(rows, self._staged[path])

    def _outlines(
        self, outliner: Outliner, filler: Filler, batches: Iterator[Footprints]
    ) -> Iterator[Outlined]:
        made = (filler(*each) for each in outliner(batches))
        while True:
            with self._tally.clock("regularize"):
                found = next(made, None)
            if found is None:
                return
            yield found
