"""Buildings as they were given: from a file or a table, placed on the grid of a raster."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

from geounet.embeddings.buildings import BATCH, Shapes
from geounet.errors import AnnotationError, GeounetWarning
from geounet.footprints.place import bounds_in, reproject
from geounet.ground import moved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

    from geounet.reader import RasterInfo

    Ints = NDArray[np.int64]

POLYGONS = (3, 6)
"""Shapely's numbers of polygons and multipolygons."""


@dataclass(frozen=True)
class Given:
    """Footprints in a CRS of their own."""

    name: str
    """Where they come from, for messages."""
    wkb: NDArray[Any]
    """`(n,)` polygons as WKB."""
    ids: Ints
    """`(n,)` their numbers in the file."""
    crs: CRS | None
    """Of the polygons."""

    def on(self, info: RasterInfo) -> Placed:
        """Return those that touch a raster's bounds, on its grid.

        Raises:
            AnnotationError: only one of the two has a CRS, or a feature is no polygon.
        """
        if (info.crs is None) != (self.crs is None):
            lacking, other = (
                (info.path, self.name) if info.crs is None else (self.name, info.path.name)
            )
            raise AnnotationError(f"{lacking}: has no CRS, so {other} has no place on it; set one")
        near: list[Ints] = []
        shapes = Shapes.of(self._batches(info, near))
        rows = np.concatenate([*near, np.empty(0, np.int64)])
        return Placed(shapes, rows[shapes.order])

    def _batches(self, info: RasterInfo, near: list[Ints]) -> Iterator[NDArray[Any]]:
        """Yield those near the raster, in its pixels; note which they are."""
        bounds = bounds_in(info.bounds, info.crs, self.crs)
        for start in range(0, len(self.wkb), BATCH):
            shapes = shapely.force_2d(shapely.from_wkb(self.wkb[start : start + BATCH]))
            rows = _touching(shapes, bounds)
            placed = _in_pixels(reproject(shapes[rows], self.crs, info.crs), info)
            inside = _touching(placed, (0, 0, info.width, info.height))
            near.append(start + rows[inside])
            yield placed[inside]


@dataclass(frozen=True)
class Placed:
    """Footprints on the grid of a raster."""

    shapes: Shapes
    """In the grid's order."""
    rows: Ints
    """Where each stands among those given."""


def read_buildings(path: Path) -> Given:
    """Return the polygons of a file's first layer.

    Raises:
        AnnotationError: it cannot be read, holds none, or holds something else.
    """
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if not layers:
            raise AnnotationError(f"{path}: has no layer with geometries; name another file")
        meta, fids, wkb, _ = pyogrio.raw.read(path, layer=layers[0], columns=[], return_fids=True)
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        cause = " ".join(str(error).split())[:200]
        raise AnnotationError(
            f"{path}: cannot be read ({cause}); check that it is a vector file"
        ) from error
    crs = CRS.from_user_input(meta["crs"]) if meta["crs"] else None
    return _checked(Given(str(path), wkb, fids, crs))


def given(geometries: gpd.GeoSeries | gpd.GeoDataFrame) -> Given:
    """Return the polygons of a table.

    Raises:
        AnnotationError: it holds none, or something else.
    """
    wkb = shapely.to_wkb(geometries.geometry.to_numpy())
    return _checked(Given("the table", wkb, np.arange(len(wkb)), geometries.crs))


def _checked(found: Given) -> Given:
    """Refuse what is no polygon; what has no geometry is left out and counted."""
    empty = np.ones(len(found.wkb), np.bool_)
    for start in range(0, len(found.wkb), BATCH):
        shapes = _decoded(found, start)
        part = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        empty[start : start + len(shapes)] = part
        other = np.flatnonzero(~part & ~np.isin(shapely.get_type_id(shapes), POLYGONS))
        if len(other):
            raise AnnotationError(
                f"{found.name}: feature {start + other[0] + 1} is a "
                f"{shapes[other[0]].geom_type} (expected polygons); leave it out"
            )
    if empty.all():
        raise AnnotationError(f"{found.name}: has no buildings; name another file")
    if empty.any():
        warnings.warn(
            f"{found.name}: {empty.sum():,} of {len(empty):,} features have no geometry and are "
            "left out",
            GeounetWarning,
            stacklevel=3,
        )
    return Given(found.name, found.wkb[~empty], found.ids[~empty], found.crs)


def _decoded(found: Given, start: int) -> NDArray[Any]:
    try:
        return np.asarray(shapely.from_wkb(found.wkb[start : start + BATCH]))
    except shapely.errors.GEOSException as error:
        cause = str(error).rpartition(": ")[2].lower()
        raise AnnotationError(f"{found.name}: a geometry is none ({cause}); correct it") from error


def _touching(shapes: NDArray[Any], bounds: tuple[float, float, float, float]) -> Ints:
    left, bottom, right, top = bounds
    box = shapely.bounds(shapes).T
    return np.flatnonzero((box[0] < right) & (box[2] > left) & (box[1] < top) & (box[3] > bottom))


def _in_pixels(shapes: NDArray[Any], info: RasterInfo) -> NDArray[Any]:
    inverse = ~info.transform
    return np.asarray(shapely.transform(shapes, lambda xy: np.stack(moved(inverse, *xy.T), axis=1)))
