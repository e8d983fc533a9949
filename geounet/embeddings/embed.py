"""What the network sees, from one walk: of patches of ground, or of buildings."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from geounet.backends import Look
from geounet.embeddings.buildings import Buildings
from geounet.embeddings.patches import Patches
from geounet.embeddings.pool import POOLS
from geounet.errors import AnnotationError, OptionError
from geounet.footprints.place import place
from geounet.prepare import InferenceOptions, prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import geopandas as gpd
    from numpy.typing import NDArray

    from geounet.embeddings.given import Given, Placed
    from geounet.embeddings.pool import Pool
    from geounet.infer import Inferred
    from geounet.reader import RasterInfo
    from geounet.walk import Walk

    Vectors = dict[str, NDArray[np.float32]]
    Ints = NDArray[np.int64]
    Progress = Callable[[int, int], None]

BATCH = 4096
"""Items that are handed on together."""


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(InferenceOptions):
    """What a user may ask of embeddings."""

    layers: tuple[str, ...] = ("bottleneck",)
    """Modules of the network whose maps are pooled; `bottleneck` is the deepest of any network."""
    pool: Pool = "mean"
    """mean, max or gem."""
    patch: int = 256
    """Edge of a patch, pixels of the grid that is inferred; a multiple of each layer's stride."""
    ring: float = 5.0
    """Width of the ring around a building, metres; 0 = none."""

    @property
    def look(self) -> Look:
        """The layers, which alone are wanted."""
        return Look(self.layers, alone=True)

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.pool not in POOLS:
            raise OptionError(f"pool is {self.pool!r}; known: {', '.join(POOLS)}")
        if self.patch < 1 or not 0 <= self.ring < np.inf:
            raise OptionError(
                f"--patch must be at least 1 pixel, --ring at least 0 m; got {self.patch}, "
                f"{self.ring:g}"
            )
        if not self.layers or len(set(self.layers)) < len(self.layers):
            raise OptionError(f"name each layer once; got {', '.join(self.layers) or 'none'}")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some items with what the network saw there, in order."""

    geometry: NDArray[Any]
    """`(n,)` shapely polygons in the raster's CRS."""
    boxes: NDArray[np.float64]
    """`(n, 4)` left, top, right, bottom in pixels; may overhang the raster."""
    vectors: Vectors
    """By layer, `(n, channels)`."""
    rings: Vectors
    """The same of the rings; empty without them, not a number where a ring has no data."""
    rows: Ints | None = None
    """`(n,)` of buildings: where each stands among those given."""
    valid: NDArray[np.float32] | None = None
    """`(n,)` of buildings: which share of each has data; below 1 where an edge cuts it."""


class Items(Protocol):
    """What collects sums during a walk: `Patches` or `Buildings`."""

    def add(self, found: Inferred) -> None:
        """Add what one tile answers for."""
        ...

    def seen(self) -> Ints:
        """Return the items that hold data, in order."""
        ...

    def vectors(self, items: Ints) -> Vectors:
        """Return the vectors of some items, by layer."""
        ...

    def shapes(self, items: Ints) -> NDArray[Any]:
        """Return some items as polygons in pixels."""
        ...

    def boxes(self, items: Ints) -> NDArray[np.float64]:
        """Return left, top, right, bottom of some items, in pixels."""
        ...


class Pooled(NamedTuple):
    """What the network saw at buildings, in the order they were given."""

    vectors: Vectors
    """By layer, `(n, channels)` float32, not a number where there is no data."""
    rings: Vectors
    """The same of the ring around each; empty with `ring=0`."""
    valid: NDArray[np.float32]
    """`(n,)` share of each footprint's pixels with data: 1 whole, 0 nothing was seen of it,
    between them it is cut by nodata or by the raster's edge."""


def tiles(
    raster: str | Path, options: EmbedOptions | None = None, progress: Progress = lambda *_: None
) -> Iterator[Batch]:
    """Yield what the network sees in each patch of a raster that holds data, row by row.

    Patches are squares of `options.patch` pixels counted from the raster's origin, so the result
    does not depend on tiles, batches or bands. Nothing is kept in memory but the batch.

    Args:
        raster: file or URL of an image.
        options: everything else.
        progress: called with tiles done and tiles in total.

    Raises:
        GeounetError: see `geounet.errors`.
    """
    options = options or EmbedOptions()
    with _folder() as folder, prepared(raster, options, options.look) as walk:
        patches = patches_of(walk, options, folder)
        walked(walk, patches.add, progress)
        yield from batches(patches, walk.reader.info)


def buildings(
    raster: str | Path,
    geometries: gpd.GeoSeries | gpd.GeoDataFrame,
    options: EmbedOptions | None = None,
    progress: Progress = lambda *_: None,
) -> Pooled:
    """Return what the network sees at each building of a raster, and in a ring around it.

    One walk serves all the layers of `options.layers`, a fine one for texture beside the
    bottleneck; each has its own vectors. A pixel counts with the place of the map it lies in, if
    its centre is inside the footprint and it holds data. Example:

        options = EmbedOptions(layers=("bottleneck", "encoder.0"), ring=5.0)
        vectors, rings, valid = buildings("post.tif", table, options)
        vectors["encoder.0"]  # (len(table), 32)

    Args:
        raster: file or URL of an image.
        geometries: polygons in any CRS, in any order; some of them may lie off the raster.
        options: everything else.
        progress: called with tiles done and tiles in total.

    Raises:
        AnnotationError: there is no building, none lies on the raster, or a CRS is missing.
        GeounetError: see `geounet.errors`.
    """
    from geounet.embeddings.given import given  # noqa: PLC0415 - brings geopandas

    options = options or EmbedOptions()
    table = given(geometries)
    with _folder() as folder, prepared(raster, options, options.look) as walk:
        placed = table.on(walk.reader.info)
        if not len(placed.shapes):
            raise elsewhere(table, walk.reader.info)
        found = buildings_of(walk, placed, options, folder)
        walked(walk, found.add, progress)
        items = np.arange(len(placed.rows))
        at, count = table.ids[placed.rows], len(geometries)
        valid = np.zeros(count, np.float32)
        valid[at] = found.valid(items)
        return Pooled(
            _scattered(found.vectors(items), at, count),
            _scattered(found.rings(items), at, count),
            valid,
        )


def patches_of(walk: Walk, options: EmbedOptions, folder: Path) -> Patches:
    """Return what collects the patches of a walk."""
    return Patches(folder, walk.plan.grid, options.patch, options.layers, options.pool)


def buildings_of(walk: Walk, placed: Placed, options: EmbedOptions, folder: Path) -> Buildings:
    """Return what collects the buildings of a walk.

    Raises:
        OptionError: a ring was asked for, but the raster has no metres.
    """
    ring = _ring(walk.reader.info, options.ring)
    words = ring, options.layers, options.pool
    return Buildings(folder, walk.plan.grid, placed.shapes, *words)


def elsewhere(table: Given, info: RasterInfo) -> AnnotationError:
    """Return the error of buildings that all lie off a raster."""
    where = ", ".join(f"{edge:.8g}" for edge in info.bounds)
    return AnnotationError(
        f"{table.name}: none of its {len(table.wkb):,} buildings lies on {info.path.name} "
        f"({where}); check both CRS"
    )


def walked(walk: Walk, add: Callable[[Inferred], None], progress: Progress) -> None:
    """Walk over a raster for the sake of what its layers give alone."""
    total, done = len(walk.plan.grid), 0

    def count() -> None:
        nonlocal done
        done += 1
        progress(min(done, total), total)

    replace(walk, on_layers=add, on_tile=count).look()


def batches(items: Items, info: RasterInfo, rows: Ints | None = None) -> Iterator[Batch]:
    """Yield the items that were seen, in order.

    Args:
        items: after the walk.
        info: of the grid that was inferred.
        rows: of buildings: where each stands among those given.
    """
    seen = items.seen()
    for start in range(0, len(seen), BATCH):
        some = seen[start : start + BATCH]
        around = items if isinstance(items, Buildings) else None
        yield Batch(
            geometry=place(items.shapes(some), info.transform),
            boxes=items.boxes(some),
            vectors=items.vectors(some),
            rings={} if around is None else around.rings(some),
            rows=None if rows is None else rows[some],
            valid=None if around is None else around.valid(some),
        )


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="geounet-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _ring(info: RasterInfo, metres: float) -> tuple[float, float]:
    """Width of a ring in columns and in rows of pixels."""
    if not metres:
        return 0.0, 0.0
    if info.gsd_xy is None:
        raise OptionError(
            f"{info.path}: has no CRS, so --ring {metres:g} means nothing; use --ring 0"
        )
    return metres / info.gsd_xy[0], metres / info.gsd_xy[1]


def _scattered(vectors: Vectors, at: Ints, count: int) -> Vectors:
    """Vectors in the order of a table, not a number where there is none."""
    whole: Vectors = {}
    for name, each in vectors.items():
        whole[name] = np.full((count, each.shape[1]), np.nan, np.float32)
        whole[name][at] = each
    return whole
