"""Polygons in pixels → rows of the fixed schema in world coordinates → a GeoPackage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from geounet.errors import OptionError
from geounet.footprints.geopackage import Layer, write_layers
from geounet.footprints.measure import measure
from geounet.footprints.outlined import Outlined
from geounet.footprints.place import place, reproject
from geounet.footprints.rings import Footprints, nothing
from geounet.footprints.style import buildings_style, coverage_style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

    from geounet.footprints.spool import Spool
    from geounet.reader import RasterInfo

    Outline = Callable[[Iterator[Footprints]], Iterator[Outlined]]
    """Batches → the outlines of each that become rows."""

UNSURE = 0.6
"""Mean probability below which a footprint is to be reviewed."""

ODD = 0.12
"""Isoperimetric quotient 4π·area / perimeter² below which it is too: a circle has 1, a square 0.79,
a strip of 1 by 24 has 0.12."""

STATUSES = ("predicted", "nodata", "failed")
"""Statuses of the coverage, in the order of its classes."""


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What the rows say, and which are left out."""

    classes: tuple[str, ...] = ("building",)
    """Name of each class."""
    layers: tuple[str, ...] = ("buildings",)
    """Name of each class's layer."""
    min_area_m2: float = 0.0
    """Smaller footprints are left out, before ids are given."""
    min_pixels: int = 0
    """Those with fewer pixels too."""
    min_hole_m2: float = 0.0
    """Smaller holes are filled, if nothing stands in them."""
    min_hole_pixels: int = 0
    """Those with fewer pixels too."""
    crs: str | None = None
    """CRS of the rows; None keeps the raster's."""
    source: str = ""
    """Name of the raster."""

    def __post_init__(self) -> None:
        """Refuse areas that are none."""
        for what, area, pixels in (
            ("a minimum area", self.min_area_m2, self.min_pixels),
            ("the area of a hole", self.min_hole_m2, self.min_hole_pixels),
        ):
            if not 0 <= area < np.inf or pixels < 0:
                got = f"{pixels} pixels" if pixels < 0 else area
                raise OptionError(f"{what} must be 0 or more, got {got}; try 0")


def write_gpkg(  # noqa: PLR0913  the last two are extras of the same sentence
    path: Path,
    spool: Spool,
    info: RasterInfo,
    options: TableOptions,
    facts: Mapping[str, object],
    *,
    outline: Outline | None = None,
    coverage: Spool | None = None,
) -> int:
    """Write one layer a class, with style and provenance; return the number of footprints.

    Args:
        path: file that does not exist yet; the caller stages it.
        spool: all footprints.
        info: raster that was traced.
        options: what the rows say.
        facts: provenance, kept as JSON in the file.
        outline: makes the outlines; None keeps the pixel edges.
        coverage: traced `coverage_labels`, for a layer `coverage`.

    Raises:
        OptionError: when an option needs a CRS that is not there.
        OutputError: when the file cannot be written.
    """
    layers = [
        Layer(
            name=name,
            chunks=tables(spool.chunks(at), info, options, outline or pixel_outlines),
            empty=next(tables([nothing()], info, options)),
            title=name.capitalize(),
            description=f"Footprints of class {label}, from {options.source}",
            style=buildings_style(),
        )
        for at, (name, label) in enumerate(zip(options.layers, options.classes, strict=True))
    ]
    if coverage is not None:
        shown = Layer(
            name="coverage",
            chunks=coverage_tables(coverage.chunks(), info, options),
            empty=next(coverage_tables([nothing()], info, options)),
            title="Coverage",
            description="What became of every part of the input",
            style=coverage_style(),
        )
        layers.append(shown)
    counts = write_layers(path, layers, facts)
    return sum(counts[name] for name in options.layers)


def pixel_outlines(batches: Iterator[Footprints]) -> Iterator[Outlined]:
    """Yield the exact pixel edges as outlines, none of them regular."""
    for batch in batches:
        yield Outlined.of(batch, batch.polygons(), np.zeros(len(batch), np.bool_))


def tables(
    batches: Iterable[Footprints],
    info: RasterInfo,
    options: TableOptions,
    outline: Outline = pixel_outlines,
) -> Iterator[gpd.GeoDataFrame]:
    """Yield one table a batch, with ids that count on from 0 over all of them.

    Raises:
        OptionError: when an area in m² or another CRS is asked for and the raster has no CRS.
    """
    out_crs = output_crs(info, options)
    following = 0
    for made in outline(drawn(batch, info, options) for batch in batches):
        table = _table(made, info, options)
        table["id"] = np.arange(following, following + len(table), dtype=np.int64)
        following += len(table)
        yield _moved(table, info, out_crs)


def coverage_tables(
    batches: Iterable[Footprints], info: RasterInfo, options: TableOptions
) -> Iterator[gpd.GeoDataFrame]:
    """Yield the coverage as tables of `status` and `area_m2`."""
    import geopandas as gpd  # noqa: PLC0415 - not before the network has begun

    out_crs = output_crs(info, options)
    for batch in batches:
        polygons = place(batch.polygons(), info.transform)
        status = np.array(STATUSES, object)[batch.class_index]
        area, _ = measure(polygons, info.crs)
        table = gpd.GeoDataFrame({"status": status, "area_m2": area}, geometry=polygons)
        yield _moved(table, info, out_crs)


def coverage_labels(
    valid: NDArray[np.bool_], failed: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Return labels whose classes are the `STATUSES`, to be traced like any other.

    Args:
        valid: `(height, width)` True = data.
        failed: `(height, width)` True = could not be read or predicted.
    """
    labels = np.where(valid, np.uint8(1), np.uint8(2))
    if failed is not None:
        labels[failed] = 3
    return labels


def map_crs(words: str) -> CRS:
    """Return the CRS a user named.

    Raises:
        OptionError: it is none, or none that places maps.
    """
    try:
        found = CRS.from_user_input(words)
    except CRSError as error:
        raise OptionError(f"CRS {words} is not known; try one like EPSG:4326") from error
    if not (found.is_geographic or found.is_projected):  # vertical and geocentric ones
        raise OptionError(
            f"CRS {words} is no map's (a {found.type_name}, expected a geographic or "
            "projected one); try one like EPSG:4326"
        )
    return found


def output_crs(info: RasterInfo, options: TableOptions) -> CRS | None:
    """Return the CRS of the rows, None without one; to be asked before the work begins, too.

    Raises:
        OptionError: when an option needs a CRS that is not there, or names none that places maps.
    """
    for flag, least, instead in (
        ("--min-area", options.min_area_m2, "--min-pixels"),
        ("--min-hole", options.min_hole_m2, "--min-hole-pixels"),
    ):
        if info.crs is None and least > 0:
            raise OptionError(
                f"{info.path}: has no CRS, so {flag} {least:g} m² means nothing; use {instead}"
            )
    if options.crs is None:
        return info.crs
    if info.crs is None:
        raise OptionError(f"{info.path}: has no CRS, so --crs cannot be reached; leave it out")
    found = map_crs(options.crs)
    whole = place(np.array([shapely.box(0, 0, info.width, info.height)]), info.transform)
    reproject(whole, info.crs, found)
    return found


def drawn(batch: Footprints, info: RasterInfo, options: TableOptions) -> Footprints:
    """Return the polygons that are large enough for a row, by their pixels."""
    batch = batch.take(np.flatnonzero(batch.pixels >= options.min_pixels))
    if options.min_area_m2 == 0:
        return batch
    area, _ = measure(place(batch.polygons(), info.transform), info.crs)
    return batch.take(np.flatnonzero(area >= options.min_area_m2))


def _moved(table: gpd.GeoDataFrame, info: RasterInfo, out_crs: CRS | None) -> gpd.GeoDataFrame:
    import geopandas as gpd  # noqa: PLC0415 - not before the network has begun

    moved = reproject(table.geometry.to_numpy(), info.crs, out_crs)
    return table.set_geometry(gpd.GeoSeries(moved, index=table.index, crs=out_crs))


def _sources(
    polygons: NDArray[np.object_], info: RasterInfo, options: TableOptions
) -> NDArray[np.object_]:
    """Return the name of the raster, or of the sheet that counts at a point of each polygon."""
    names = np.full(len(polygons), options.source, object)
    if info.sheets is not None:
        points = shapely.point_on_surface(polygons)
        found = info.sheets.names_at(shapely.get_x(points), shapely.get_y(points))
        names[found != ""] = found[found != ""]
    return names


def _table(made: Outlined, info: RasterInfo, options: TableOptions) -> gpd.GeoDataFrame:
    import geopandas as gpd  # noqa: PLC0415 - not before the network has begun

    polygons = place(made.polygons, info.transform)
    area, perimeter = measure(polygons, info.crs)
    confidence = made.confidence
    flat = shapely.area(polygons), shapely.length(shapely.get_exterior_ring(polygons))
    surface, length = flat if info.crs is None else (area, perimeter)
    odd = 4 * np.pi * surface < ODD * length**2
    rings = 1 + shapely.get_num_interior_rings(polygons)
    columns = {
        "id": np.zeros(len(made), np.int64),
        "class": np.array(options.classes, object)[made.class_index],
        "confidence": confidence,
        "area_m2": area,
        "perimeter_m": perimeter,
        "vertices": (shapely.get_num_coordinates(polygons) - rings).astype(np.int32),
        "regularized": made.regularized,
        "touches_edge": made.touches_edge,
        "review": ((confidence < UNSURE) | made.touches_edge | odd).astype(np.int32),
        "source": _sources(polygons, info, options),
    }
    return gpd.GeoDataFrame(columns, geometry=polygons)
