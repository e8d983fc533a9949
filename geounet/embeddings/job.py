"""Rasters → one table of embeddings with what lies beside it; all of it appears, or nothing."""

from __future__ import annotations

import time
import warnings
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geounet.backends.load import load
from geounet.embeddings.embed import (
    Batch,
    EmbedOptions,
    batches,
    buildings_of,
    elsewhere,
    patches_of,
    walked,
)
from geounet.embeddings.flat import Flat, FlatFile, gram, pca_from_gram
from geounet.embeddings.given import read_buildings
from geounet.embeddings.targets import Targets, staged_targets
from geounet.embeddings.write import facts_of, writing
from geounet.errors import GeounetWarning, OptionError, RasterError
from geounet.footprints.place import place
from geounet.prepare import opened, prepared
from geounet.raster import open_raster
from geounet.sources import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from pyproj import CRS

    from geounet.embeddings.embed import Items
    from geounet.embeddings.given import Given
    from geounet.embeddings.write import Writer
    from geounet.reader import RasterInfo
    from geounet.walk import Walk

    Ints = NDArray[np.int64]

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class JobOptions(EmbedOptions):
    """What a user may ask of a table of embeddings."""

    buildings: Path | None = None
    """Vector file: embeddings of these buildings instead of patches."""
    flat: bool = False
    """Embeddings of whole images: their maps as they are, and the principal scores of these."""
    thumbnails: bool = True
    """Write a picture of each item beside the table."""
    overwrite: bool = False
    """Replace outputs that exist."""

    @property
    def what(self) -> dict[str, Any]:
        """How vectors were made, for the table."""
        seen = {"bands": self.bands, "scale": self.scale}
        if self.flat:
            return {"pool": "flat", **seen}
        place = {"patch": self.patch} if self.buildings is None else {"ring": self.ring}
        return {"pool": self.pool, **place, **seen}


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What was done."""

    out: tuple[Path, ...]
    """Files that were written, the table first."""
    scenes: int
    """Rasters."""
    items: int
    """Rows of the table."""
    seconds: float
    """Wall time."""

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return asdict(self) | {"out": [str(path) for path in self.out]}


def embed(
    rasters: Sequence[str | Path],
    out: str | Path,
    options: JobOptions | None = None,
    progress: Progress = lambda *_: None,
) -> Embedded:
    """Write what the network sees in rasters: of patches, of buildings, or of whole images.

    Args:
        rasters: files or URLs, all of one CRS.
        out: GeoParquet; pictures go to a ZIP beside it, whole maps to a `.npy` file.
        options: everything else.
        progress: called with tiles done and tiles in total.

    Raises:
        GeounetError: see `geounet.errors`; nothing is left at the output paths.
    """
    started, options = time.perf_counter(), options or JobOptions()
    targets = Targets(table=Path(out), thumbnails=options.thumbnails, flat=options.flat)
    read = [*rasters, *([] if options.buildings is None else [options.buildings])]
    targets.check(read, overwrite=options.overwrite)
    options = _settled(rasters, options)
    crs, facts = _crs_of(rasters, options), _facts(rasters, options)
    with staged_targets(targets) as (paths, folder):
        pictures = None if targets.pictures is None else paths[targets.pictures]
        with writing(paths[targets.table], pictures, crs, facts) as writer:
            job = _Job(options, writer, folder, facts)
            if targets.maps is None:
                job.pool(rasters, progress)
            else:
                job.flatten(rasters, paths[targets.maps], progress)
    return Embedded(
        out=targets.paths,
        scenes=len(rasters),
        items=writer.table.count,
        seconds=round(time.perf_counter() - started, 3),
    )


@dataclass(frozen=True)
class _Job:
    """A table in the making, and what it is made of."""

    options: JobOptions
    writer: Writer
    folder: Path
    facts: dict[str, Any]

    def pool(self, rasters: Sequence[str | Path], progress: Progress) -> None:
        """Write the patches or buildings of all rasters."""
        path = self.options.buildings
        table = None if path is None else read_buildings(path)
        missed: list[RasterInfo] = []
        for at, raster in enumerate(rasters):
            with self._ready(raster) as (walk, folder):
                found, info = self._items(walk, table, folder), walk.reader.info
                if found is None:
                    missed.append(info)
                    continue
                items, rows = found
                walked(walk, items.add, _part(progress, at, len(rasters)))
                ids = None if table is None else table.ids
                count = self.writer.add(batches(items, info, rows), walk.reader, ids)
                if not count and len(rasters) > 1:
                    _warn(f"{info.path}: no data where it was looked for; it gave no rows")
        self._check_rows(table, missed, len(rasters))

    def flatten(self, rasters: Sequence[str | Path], maps: Path, progress: Progress) -> None:
        """Write the whole maps of all rasters, and a row of principal scores for each."""
        if len(rasters) < 2:  # noqa: PLR2004
            raise OptionError("--pool flat compares images, got one; name several of one size")
        with closing(FlatFile(maps, len(rasters))) as file:
            for at, raster in enumerate(rasters):
                with self._ready(raster) as (walk, _):
                    flat = Flat(walk.plan.grid, self.options.layers)
                    walked(walk, flat.add, _part(progress, at, len(rasters)))
                    file.add(flat.vector(), str(raster))
        scores = pca_from_gram(gram(maps))[0].astype(np.float32)
        model = load(self.options.model, self.options.scale)
        for raster, vector in zip(rasters, scores, strict=True):
            with opened(raster, model, self.options) as reader:
                self.writer.add(iter([_whole(reader.info, vector)]), reader)

    @contextmanager
    def _ready(self, raster: str | Path) -> Iterator[tuple[Walk, Path]]:
        """A raster to walk over, and a folder of its own."""
        with (
            TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as folder,
            prepared(raster, self.options, self.options.look) as walk,
        ):
            self.facts["gsd"] = self.facts["gsd"] or walk.reader.info.gsd
            yield walk, Path(folder)

    def _items(
        self, walk: Walk, table: Given | None, folder: Path
    ) -> tuple[Items, Ints | None] | None:
        """What collects the items of a raster; None where no building lies on it."""
        if table is None:
            return patches_of(walk, self.options, folder), None
        placed = table.on(walk.reader.info)
        if not len(placed.shapes):
            return None
        return buildings_of(walk, placed, self.options, folder), placed.rows

    def _check_rows(self, table: Given | None, missed: list[RasterInfo], count: int) -> None:
        if table is not None and len(missed) == count:
            raise elsewhere(table, missed[0])
        for info in missed:
            _warn(f"{info.path}: no building lies on it; it gave no rows")
        if not self.writer.table.count:
            raise RasterError("nothing to embed: there is no data where it was looked for")


def _settled(rasters: Sequence[str | Path], options: JobOptions) -> JobOptions:
    """The options with the model opened once."""
    if not rasters:
        raise OptionError("no raster to embed; name one")
    if options.flat and options.buildings is not None:
        raise OptionError("--pool flat is of whole images; leave --buildings out")
    return replace(options, model=load(options.model, options.scale), scale=options.scale)


def _facts(rasters: Sequence[str | Path], options: JobOptions) -> dict[str, Any]:
    """What the table says of where it comes from; the GSD is known later."""
    name = load(options.model, options.scale).card.name
    return facts_of(name, options.layers, [identity(each) for each in rasters], **options.what)


def _crs_of(rasters: Sequence[str | Path], options: JobOptions) -> CRS | None:
    """The CRS that all rasters have.

    Raises:
        OptionError: they have several.
    """
    first, *others = rasters
    crs = _info(first, options).crs
    for raster in others:
        other = _info(raster, options).crs
        if other != crs:
            names = [each.name if each else "none" for each in (crs, other)]
            raise OptionError(
                f"{raster}: its CRS is {names[1]}, that of {first} {names[0]}; a table has one, "
                "embed them apart"
            )
    return crs


def _info(raster: str | Path, options: JobOptions) -> RasterInfo:
    with open_raster(raster, bands=options.bands, allow_vrt=options.allow_vrt) as reader:
        return reader.info


def _whole(info: RasterInfo, vector: NDArray[np.float32]) -> Batch:
    """A raster as one item."""
    box = np.array([[0.0, 0.0, info.width, info.height]])
    return Batch(
        geometry=place(np.asarray(shapely.box(*box.T)), info.transform),
        boxes=box,
        vectors={"scores": vector[None]},
        rings={},
    )


def _part(progress: Progress, at: int, count: int) -> Progress:
    """Progress of one of several rasters, as if all had as many tiles."""
    return lambda done, total: progress(at * total + done, count * total)


def _warn(words: str) -> None:
    warnings.warn(words, GeounetWarning, stacklevel=4)
