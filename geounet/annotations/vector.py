"""Vector layers over georeferenced images: features → shapes in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from warnings import warn

import geopandas as gpd
import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.windows import Window

from geounet.annotations.shapes import Shape, draw, fault
from geounet.errors import AnnotationError, GeounetWarning
from geounet.footprints.place import bounds_in, reproject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.reader import RasterInfo

SUFFIXES = (".gpkg", ".geojson", ".fgb", ".shp")


def read_layer(path: Path, layer: str | None = None) -> gpd.GeoDataFrame:
    """Return the features of a layer, the first one when none is named.

    Raises:
        AnnotationError: it cannot be read, or holds no geometries.
    """
    try:
        names = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if layer is not None and layer not in names:
            raise AnnotationError(f"{path}: has no layer {layer} (it has {', '.join(names)})")
        if not names:
            raise AnnotationError(f"{path}: has no layer with geometries; name another file")
        return gpd.read_file(path, layer=layer or names[0])
    except shapely.errors.GEOSException as error:
        raise AnnotationError(f"{path}: {_broken(path, layer or names[0])}; correct it") from error
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        cause = " ".join(str(error).split())[:200]
        raise AnnotationError(
            f"{path}: cannot be read ({cause}); check that it is a vector file"
        ) from error


def _broken(path: Path, layer: str) -> str:
    """Return which feature has a geometry that is none, and why."""
    for number, geometry in enumerate(pyogrio.raw.read(path, layer=layer, columns=[])[2], 1):
        try:
            shapely.from_wkb(geometry)
        except shapely.errors.GEOSException as error:
            return f"feature {number}: {str(error).rpartition(': ')[2].lower()}"
    return "a geometry is none"


def shapes_on(features: gpd.GeoDataFrame, info: RasterInfo, path: Path) -> list[Shape]:
    """Return the features that touch a raster, in its pixels.

    Raises:
        AnnotationError: one of the two has no CRS, or the other one's cannot hold it.
    """
    if info.crs is None or features.crs is None:
        lacking = info.path if info.crs is None else path
        raise AnnotationError(
            f"{lacking}: has no CRS, so {path.name} has no place on {info.path.name}; set one"
        )
    given = features.geometry.to_numpy()
    near = shapely.box(*bounds_in(info.bounds, info.crs, features.crs))
    rows = features.sindex.query(near, sort=True)
    inverse = ~info.transform
    moved = shapely.transform(
        shapely.force_2d(reproject(given[rows], features.crs, info.crs)),
        lambda xy: np.stack(inverse @ (xy[:, 0], xy[:, 1]), axis=1),
    )
    touching = shapely.intersects(
        shapely.envelope(moved), shapely.box(0, 0, info.width, info.height)
    )
    names = [str(name) for name in features.columns if name != features.geometry.name]
    return [
        Shape(
            geometry=geometry,
            where=f"{path}: feature {row + 1}",
            attributes={name: _values(features[name].iloc[row]) for name in names},
        )
        for geometry, row in zip(moved[touching], rows[touching].tolist(), strict=True)
    ]


def feature_counts(path: Path, info: RasterInfo) -> Iterator[NDArray[np.int64]]:
    """Yield the counts of each feature on a raster's grid; one warning for those without a pixel.

    Raises:
        AnnotationError: the file, or a feature, cannot be used.
    """
    features, count = read_layer(path), 0
    for shape in shapes_on(features, info, path):
        cause = fault(shape.geometry)
        if cause is not None:
            raise AnnotationError(f"{shape.where}: {cause}; correct it or delete it")
        left, top, right, bottom = shape.geometry.bounds
        first = max(int(top), 0), max(int(left), 0)
        last = min(int(bottom) + 1, info.height), min(int(right) + 1, info.width)
        if first[0] >= last[0] or first[1] >= last[1]:
            continue
        window = Window(first[1], first[0], last[1] - first[1], last[0] - first[0])
        rows, cols = np.nonzero(draw([(shape.geometry, 1)], window))
        places = np.sort((cols + first[1]) * info.height + rows + first[0])
        if len(places):
            count += 1
            yield _counts(places, info.height * info.width)
    if count < len(features):
        warn(
            f"{path}: {len(features) - count:,} of {len(features):,} features set no pixel of "
            f"{info.path}",
            GeounetWarning,
            stacklevel=2,
        )


def _counts(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Counts of a mask whose set pixels are known by place, ascending."""
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.concatenate(([0], breaks + 1))]
    ends = places[np.concatenate((breaks, [len(places) - 1]))] + 1
    edges = np.stack((starts, ends), axis=1).ravel()
    counts = np.diff(edges, prepend=0, append=size)
    return counts[:-1] if counts[-1] == 0 else counts


def column_values(features: gpd.GeoDataFrame, column: str, path: Path) -> tuple[str, ...]:
    """Return all values of a column in alphabetical order.

    Raises:
        AnnotationError: there is no such column.
    """
    if column not in features.columns:
        known = ", ".join(str(name) for name in features.columns if name != features.geometry.name)
        raise AnnotationError(f"{path}: has no column {column} (it has {known or 'none'})")
    return tuple(sorted(set().union(*map(_values, features[column]))))


def _values(value: Any) -> frozenset[str]:  # noqa: ANN401 - whatever a column holds
    nothing = value is None or value != value  # noqa: PLR0124 - not a number is not itself
    return frozenset() if nothing else frozenset([str(value)])
