"""Footprints as GeoJSON after RFC 7946: longitudes and latitudes, exteriors anticlockwise."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import CRS

from geounet.errors import GeounetWarning, OutputError
from geounet.footprints.place import reproject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

    from geounet.footprints.stored import Stored

LONLAT = CRS.from_epsg(4326)
"""The one CRS of GeoJSON."""

HALF = 180
"""Degrees from the prime meridian to the antimeridian."""

DECIMALS = 9
"""Of a degree: a tenth of a millimetre."""

DIGITS = 15
"""Decimals of a figure."""


def write_geojson(rows: Stored, path: Path) -> None:
    """Write a layer as a feature collection, one feature a line.

    A footprint that crosses the antimeridian is cut in two there, and a warning counts them.

    Raises:
        OutputError: not all rows have arrived.
    """
    head = {"type": "FeatureCollection", "name": rows.layer, "provenance": rows.facts}
    opening = json.dumps(head, sort_keys=True, ensure_ascii=False)[:-1]
    written = cut = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{opening}, "features": [')
        for table in rows.tables():
            moved = reproject(table.geometry.to_numpy(), rows.crs, LONLAT)
            shapes, crossing = cut_at_antimeridian(moved)
            for text in _features(table, shapes):
                file.write(f",\n{text}" if written else f"\n{text}")
                written += 1
            cut += crossing
        file.write("\n]}\n")
    if written != rows.count:
        raise OutputError(f"{path}: holds {written} of {rows.count} rows; check the disk")
    if cut:
        warnings.warn(
            f"GeoJSON: {cut} footprint{'s' * (cut > 1)} across the antimeridian cut in two there, "
            "as RFC 7946 asks",
            GeounetWarning,
            stacklevel=2,
        )


def cut_at_antimeridian(shapes: NDArray[np.object_]) -> tuple[NDArray[np.object_], int]:
    """Return polygons in degrees within ±180, and how many had to be cut for it."""
    west, _, east, _ = shapely.bounds(shapes).T
    beyond = np.flatnonzero((west < -HALF) | (east > HALF))
    if not len(beyond):
        return shapes, 0
    result = shapes.copy()
    pieces: list[list[shapely.Geometry]] = [[] for _ in beyond]
    for turn in (-2 * HALF, 0, 2 * HALF):
        world = shapely.box(turn - HALF, -90, turn + HALF, 90)
        inside = shapely.intersection(shapes[beyond], world)
        back = shapely.transform(inside, lambda xy: xy - (turn, 0))  # noqa: B023  used at once
        for at, piece in enumerate(back):
            pieces[at] += [p for p in shapely.get_parts(piece) if p.area > 0]
    result[beyond] = [p[0] if len(p) == 1 else shapely.multipolygons(p) for p in pieces]
    return result, sum(len(p) > 1 for p in pieces)


def _features(table: gpd.GeoDataFrame, shapes: NDArray[np.object_]) -> Iterator[str]:
    """Yield each row as a feature; exteriors run anticlockwise."""
    rounded = shapely.transform(shapes, lambda xy: np.round(xy, DECIMALS))
    geometries = shapely.to_geojson(shapely.orient_polygons(rounded))
    figures = table.drop(columns=table.geometry.name)
    lines = figures.to_json(
        orient="records", lines=True, double_precision=DIGITS, force_ascii=False
    ).split("\n")
    for number, line, geometry in zip(table["id"], lines, geometries, strict=False):
        yield (
            f'{{"type": "Feature", "id": {number}, "properties": {line}, "geometry": {geometry}}}'
        )
