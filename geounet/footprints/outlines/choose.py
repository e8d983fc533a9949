"""Several regular outlines of every object, and the one that fits best with the fewest corners."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.outlines.mend import mended
from geounet.footprints.outlines.polygons import assembled, circles
from geounet.footprints.outlines.runs import directions, kinds, runs_of, simplified
from geounet.footprints.outlines.square import lined_up, sharp, squared
from geounet.footprints.rings import Ints, gather, successors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from geounet.footprints.outlines.contour import Contours
    from geounet.footprints.outlines.runs import Edges

    Floats = NDArray[np.float64]
    Polygons = NDArray[np.object_]

CORNER = 8.0
"""Area that a further corner must bring nearer to the object, in units of the plane."""

SIMPLEST = 4 * CORNER
"""What a rectangle is priced: there is nothing simpler."""

OWN_WAY = 12.0
"""Area that a wall in a direction of its own must bring, besides."""

LEAN = 0.375
"""Share of the tolerance by which a point may lie beside its edge: 1.5 of 4 pixels."""

SHORTEST = 1.5
"""Walls shorter than this many tolerances are taken out where the outline stays in reach."""

COARSER = 1.6
"""What both are multiplied with for a second look, with less detail."""

FINER = 0.5
"""And for a third, where neither has given an outline that stays in reach."""

SHARP = 40.0
"""Area that a corner of less than 40° must bring, besides: buildings hardly have any."""

SPACING, SPOTS = 4, 64
"""Outlines are compared with every so many-th point of a contour, fewer on a ring that would have
more of them than `SPOTS`."""

LEAST_IOU = 0.7
"""An outline that covers its object less well is none."""

ROUND = 0.06
"""Spread of a contour's distance from its middle, in parts of it, up to which a circle is tried:
a square has 0.11, an octagon 0.02."""

CIRCLE = 5
"""Corners that a circle is counted as."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Outlines for some objects, in their planes."""

    of: Ints
    """`(offers,)` the object."""
    polygons: Polygons
    """`(offers,)` None where nothing came of it."""
    price: Floats
    """`(offers,)` area that its corners and directions must bring."""

    def take(self, which: Ints | NDArray[np.bool_]) -> Offer:
        """Return a part of the offer, in that order."""
        return Offer(of=self.of[which], polygons=self.polygons[which], price=self.price[which])

    @classmethod
    def chained(cls, offers: Sequence[Offer]) -> Offer:
        """Return several offers as one; at least one."""
        names = [each.name for each in fields(cls)]
        return cls(**{name: np.concatenate([getattr(o, name) for o in offers]) for name in names})

    def at(self, objects: Ints) -> Offer:
        """Return the same offer, its objects counted among others."""
        return replace(self, of=objects[self.of])


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Some objects in their planes."""

    contours: Contours
    """Their contours, begun at corners."""
    fine: Edges
    """What is left of the contours when they are simplified a little."""
    lines: Polygons
    """`(objects,)` the contours as multilinestrings."""
    spots: Spots
    """Where outlines are compared with them."""
    reach: Floats
    """`(objects,)` how far an outline may stray from the contour."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.reach)


@dataclass(frozen=True, kw_only=True)
class Spots:
    """Points of contours, each for a stretch of them."""

    points: Polygons
    """`(spots,)` shapely points."""
    offsets: Ints
    """`(objects + 1,)` where each object's begin."""
    stretch: Floats
    """`(spots,)` length of contour that each stands for."""

    @classmethod
    def of(cls, found: Contours, count: int) -> Spots:
        """Return some points of the contours of `count` objects."""
        step = found.points[successors(found.offsets)] - found.points
        length = np.bincount(found.ring, np.hypot(*step.T), len(found.owners))
        nth = np.arange(len(step)) - found.offsets[found.ring]
        sizes = np.diff(found.offsets)
        spacing = np.maximum(SPACING, sizes // SPOTS)
        some = np.flatnonzero(nth % spacing[found.ring] == 0)
        number = -(-sizes // spacing)
        return cls(
            points=np.asarray(shapely.points(found.points[some]), object),
            offsets=np.searchsorted(found.owners[found.ring[some]], np.arange(count + 1)),
            stretch=(length / number)[found.ring[some]],
        )

    def area_between(self, outlines: Polygons, of: Ints, most: Floats) -> Floats:
        """Return about how much area lies between some outlines and the contours `of` objects.

        A point counts as `most` units away at most: those of a courtyard that was closed are far.
        """
        some, ends = gather(self.offsets, of)
        outline = np.repeat(np.arange(len(of)), np.diff(ends))
        away = shapely.distance(self.points[some], shapely.boundary(outlines)[outline])
        away = np.minimum(away, most[outline])
        return np.bincount(outline, away * self.stretch[some], len(of)).astype(np.float64)


def best(found: Objects) -> Polygons:
    """Return the outline of each object that errs least and stays in reach; None without one.

    What an outline errs is the area between it and the contour, and a price for its corners.
    """
    chosen = np.full(len(found), None, object)
    least, price = np.full(len(found), np.inf), np.full(len(found), np.inf)
    for factor in (1.0, COARSER, FINER):
        of = np.flatnonzero(price > SIMPLEST if factor > 1 else np.isinf(least))
        if not len(of):
            continue
        offer = Offer.chained(list(_offers(found, of, factor)))
        if factor > 1:  # less detail is for fewer corners
            offer = offer.take(offer.price < price[offer.of])
        error = _error(offer, found)
        taken = _taken(offer, np.where(error < least[offer.of], error, np.inf), found)
        at = offer.of[taken]
        chosen[at], least[at], price[at] = offer.polygons[taken], error[taken], offer.price[taken]
    none = np.flatnonzero(np.isinf(least))
    if len(none):
        offer = _mended(offer.take(np.isin(offer.of, none)), found)
        taken = _taken(offer, _error(offer, found), found)
        chosen[offer.of[taken]] = offer.polygons[taken]
    return chosen


def _mended(offer: Offer, found: Objects) -> Offer:
    """Return outlines that stray, with the corners cut off at which they do."""
    whole = shapely.is_valid(offer.polygons)
    offer = offer.take(whole)
    made, cut = mended(offer.polygons, found.lines[offer.of], found.reach[offer.of])
    return replace(offer, polygons=made, price=offer.price + CORNER * cut)


def _taken(offer: Offer, error: Floats, found: Objects) -> Ints:
    """Return of the outlines of each object the one that errs least of those in reach, if any."""
    taken = [np.zeros(0, np.int64)]
    left = np.lexsort((error, offer.of))
    left = left[np.isfinite(error[left])]
    while len(left):
        of = offer.of[left]
        leads = np.append(np.ones(1, np.bool_), of[1:] != of[:-1])
        near = in_reach(offer.polygons[left[leads]], found.lines[of[leads]], found.reach[of[leads]])
        taken.append(left[leads][near])
        left = left[~leads & np.isin(of, of[leads][~near])]
    return np.concatenate(taken)


def _offers(found: Objects, of: Ints, factor: float) -> Iterator[Offer]:
    """Yield outlines of some objects: right angles, with walls at 45°, with oblique ones, round."""
    part = found.contours.take(of)
    reach = found.reach[of] * factor
    fine = found.fine.take(of, found.contours, part)
    edges = simplified(part, reach[part.owners] * LEAN, fine)
    turn = directions(edges, part.owners, len(of))
    owner = part.owners[edges.ring]
    aslant, oblique = (
        np.flatnonzero(np.bincount(owner[flags], minlength=len(of)))
        for flags in kinds(edges, turn[owner])
    )
    yield _squares(part, edges, turn, reach, diagonals=False, oblique=False).at(of)
    for some, with_oblique in ((aslant, False), (oblique, True)):
        if not len(some):
            continue
        less = part.take(some)
        made = _squares(
            less,
            edges.take(some, part, less),
            turn[some],
            reach[some],
            diagonals=True,
            oblique=with_oblique,
        )
        yield made.at(of[some])
    if factor == 1:
        yield _round_ones(part, len(of), turn).at(of)


def _squares(
    part: Contours, edges: Edges, turn: Floats, reach: Floats, *, diagonals: bool, oblique: bool
) -> Offer:
    """Return outlines whose walls go in the object's directions, and perhaps in others."""
    count = len(turn)
    runs = runs_of(part, edges, turn, diagonals=diagonals, oblique=oblique)
    walls = reach[part.owners]
    runs, corner = squared(lined_up(runs, turn, part.owners), walls * SHORTEST, walls)
    owner = part.owners[runs.ring]
    worth = CORNER + OWN_WAY * runs.free + SHARP * sharp(runs)
    price = np.bincount(owner, worth, count).astype(np.float64)
    made = assembled(corner, runs.ring, part.owners, count)
    return Offer(of=np.arange(count), polygons=made, price=price)


def _round_ones(found: Contours, count: int, turn: Floats) -> Offer:
    """Return circles for objects without courtyards whose contour is round."""
    outer = found.opens[found.ring]
    points, owner = found.points[outer], found.owners[found.ring][outer]
    number = np.bincount(owner, minlength=count)
    middle = np.stack(
        [np.bincount(owner, points[:, axis], count) / number for axis in (0, 1)], axis=1
    )
    away = np.hypot(*(points - middle[owner]).T)
    mean = np.bincount(owner, away, count) / number
    spread = np.sqrt(np.bincount(owner, (away - mean[owner]) ** 2, count) / number)
    single = np.bincount(found.owners, minlength=count) == 1
    of = np.flatnonzero(single & (spread < ROUND * mean))
    made = circles(middle[of], np.pi * (mean**2 + spread**2)[of], turn[of])
    return Offer(of=of, polygons=made, price=np.full(len(of), CIRCLE * CORNER))


def _error(offer: Offer, found: Objects) -> Floats:
    """Return what each outline errs; infinite when it is not valid, or hardly covers its object."""
    error = np.full(len(offer.of), np.inf)
    usable = np.flatnonzero(shapely.is_valid(offer.polygons))
    made, of = offer.polygons[usable], offer.of[usable]
    between = found.spots.area_between(made, of, found.reach[of])
    area = shapely.area(made)
    fits = area - between >= LEAST_IOU * (area + between)
    error[usable[fits]] = between[fits] + offer.price[usable[fits]]
    return error


def in_reach(outlines: Polygons, lines: Polygons, reach: Floats) -> NDArray[np.bool_]:
    """Return whether the corners of each outline, and the middles of its walls, are near a line."""
    rings, owner = shapely.get_rings(outlines, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    inner = ring[1:] == ring[:-1]
    middles = (points[1:] + points[:-1])[inner] / 2
    spots = shapely.points(np.concatenate([points[1:][inner], middles]))
    of = np.tile(owner[ring[1:][inner]], 2)
    away = of[~shapely.dwithin(lines[of], spots, reach[of])]
    return np.asarray(np.bincount(away, minlength=len(outlines)) == 0)
