"""The outlines of objects: what to make, and how it is made of each object's own pixels alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from geounet.errors import OptionError
from geounet.footprints.outlines.choose import Objects, Spots, best
from geounet.footprints.outlines.contour import contours
from geounet.footprints.outlines.ground import ground_at
from geounet.footprints.outlines.polygons import assembled, rings_as_lines, rounded, sound
from geounet.footprints.outlines.runs import at_corners, simplified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from affine import Affine
    from numpy.typing import NDArray
    from pyproj import CRS

    from geounet.footprints.outlines.ground import Ground
    from geounet.footprints.rings import Footprints, Ints

    Floats = NDArray[np.float64]
    Polygons = NDArray[np.object_]

Kind = Literal["pixel", "smooth", "regular"]

TOLERANCE = 4.0
"""Units of the plane by which an outline may stray where no tolerance is given."""

FINE = 0.15
"""Share of the tolerance by which a smooth outline is simplified: 0.6 of 4 pixels."""

UNLIKE = 0.3
"""Share of its area by which a smooth outline may be larger or smaller than its object."""

YARD = 6
"""Tolerances that a hole's contour is long, or the hole is a speck, and closed: 24 pixels."""

HUGE = 1 << 22
"""Pixels of the bounds from which an object keeps its pixel edges."""

BLOCK, BLOCK_VERTICES = 1024, 100_000
"""Most objects and vertices that are outlined at once; the result does not depend on it."""


@dataclass(frozen=True, kw_only=True)
class OutlineOptions:
    """What outlines to make, and where on the ground."""

    kind: Kind
    """Exact pixel edges, simplified, or right-angled."""
    tolerance_m: float | None
    """How far an outline may stray from its object's contour; None: four pixels."""
    transform: Affine
    """Of the raster."""
    crs: CRS | None
    """Of the raster."""
    split: bool = False
    """Whether blobs are parted into buildings."""

    def __post_init__(self) -> None:
        """Refuse a tolerance that is none, or that has no meaning here."""
        if self.tolerance_m is None:
            return
        if not 0 < self.tolerance_m < np.inf:
            raise OptionError(f"tolerance must be above 0 m, got {self.tolerance_m}; try 1")
        if self.kind == "pixel":
            raise OptionError("pixel edges do not move, so --tolerance means nothing; leave it out")
        if self.crs is None:
            raise OptionError(
                f"the raster has no CRS, so --tolerance {self.tolerance_m:g} m means nothing; "
                f"leave it out for {TOLERANCE:g} pixels"
            )


def kinds(options: OutlineOptions) -> tuple[Kind, ...]:
    """Return the kinds of outline that are made, the best first; pixel edges are always there."""
    made: dict[Kind, tuple[Kind, ...]] = {
        "pixel": (),
        "smooth": ("smooth",),
        "regular": ("regular", "smooth"),
    }
    return made[options.kind]


def blocks(batch: Footprints) -> Iterator[Ints]:
    """Yield the indices of those objects that are not huge, in blocks of bounded size."""
    height, width = (batch.bounds[:, 2:] - batch.bounds[:, :2]).astype(np.int64).T
    order = np.flatnonzero(height * width <= HUGE)
    total = np.concatenate([[0], np.cumsum(batch.vertices[order])])
    start = 0
    while start < len(order):
        full = int(np.searchsorted(total, total[start] + BLOCK_VERTICES, side="right")) - 1
        stop = min(start + BLOCK, max(full, start + 1), len(order))
        yield order[start:stop]
        start = stop


def block_levels(batch: Footprints, options: OutlineOptions) -> list[Polygons]:
    """Return the outlines of a block in pixels, `(objects,)` of each kind; None: there is none."""
    ground = ground_of(batch, options)
    found = _objects(batch, ground, _reach(ground, options))
    made = [best(found)] if options.kind == "regular" else []
    made.append(_smooth(batch, ground, found))
    return [_in_pixels(each, batch, ground) for each in made]


def margin(batch: Footprints, options: OutlineOptions) -> float:
    """Return the pixels between the bounds of two objects from which they cannot meet."""
    ground = ground_of(batch, options)
    span = ground.to_plane[:, 0, 0] + ground.to_plane[:, 1, 1]  # the larger eigenvalue, or more
    return float((2 * _reach(ground, options) * span).max()) + 4


def ground_of(batch: Footprints, options: OutlineOptions) -> Ground:
    """Return the planes of some objects."""
    places = (batch.bounds[:, 1::-1] + batch.bounds[:, :1:-1]) / 2
    return ground_at(places, options.transform, options.crs)


def _reach(ground: Ground, options: OutlineOptions) -> Floats:
    """Return the tolerance in units of each plane."""
    if options.tolerance_m is None:
        return np.full(len(ground.unit_m), TOLERANCE)
    reach = options.tolerance_m / ground.unit_m
    return np.where(np.isfinite(reach), reach, TOLERANCE)


def _objects(batch: Footprints, ground: Ground, reach: Floats) -> Objects:
    found = contours(batch)
    owner = found.owners[found.ring]
    found = at_corners(replace(found, points=ground.flat(found.points, owner)))
    found = found.kept(found.opens | (np.diff(found.offsets) >= YARD * reach[found.owners]))
    return Objects(
        contours=found,
        fine=simplified(found, reach[found.owners] * FINE),
        lines=rings_as_lines(found, len(batch)),
        spots=Spots.of(found, len(batch)),
        reach=reach,
    )


def _smooth(batch: Footprints, ground: Ground, found: Objects) -> Polygons:
    """Return the simplified contours; of an object whose contour fails, its pixel edges are."""
    corners = found.contours.points[found.fine.first]
    made = assembled(corners, found.fine.ring, found.contours.owners, len(batch))
    thin = np.flatnonzero(shapely.is_valid(made) & ~sound(made))
    made[thin] = rounded(made[thin])  # a spike with no width, which is cut off now
    for at in np.flatnonzero(~shapely.is_valid(made) & ~shapely.is_missing(made)):
        parts = shapely.get_parts(shapely.make_valid(made[at], method="structure"))
        made[at] = parts[shapely.area(parts).argmax()] if len(parts) else None
    likeness = shapely.area(made) / batch.pixels  # the plane keeps areas
    fails = np.flatnonzero(~(shapely.is_valid(made) & (np.abs(likeness - 1) < UNLIKE)))
    rest = batch.take(fails)
    owner = np.repeat(fails, rest.vertices)
    local = (rest.coords - batch.bounds[owner, :2])[:, ::-1].astype(np.float64)
    edges = rest.polygons(ground.flat(local, owner))
    made[fails] = shapely.simplify(edges, found.reach[fails] * FINE)
    return made


def _in_pixels(made: Polygons, batch: Footprints, ground: Ground) -> Polygons:
    """Return polygons of the planes in pixels of the raster, valid as they are written."""
    points, of = shapely.get_coordinates(made, return_index=True)
    moved = ground.pixels(points, of) + batch.bounds[of, 1::-1]
    return np.asarray(shapely.set_coordinates(made.copy(), moved))
