"""Runs → corners: what is too short is taken out, what is left meets in corners.

Rings take steps wherever these do not touch each other, all rings at once, until none is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geounet.footprints.outlines.runs import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.footprints.rings import Ints

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

ALIKE = np.sin(np.radians(15))
"""Sine of the angle up to which two runs go the same way, or back."""

BENT = np.tan(np.radians(8))
"""A run whose points lean by more says nothing about the direction of its object."""

BACK = np.cos(np.radians(140))
"""Cosine of the turn from which a corner is sharp."""

FEWEST = 3
"""Runs of the simplest ring."""

URGENT, FIRST = 1e9, 1e12
"""What a step gains, in px², when a run goes backwards, and when two runs have no corner."""


def lined_up(runs: Runs, common: Floats, owners: Ints) -> Runs:
    """Return the runs turned to the best common direction of their object, by least squares.

    Args:
        runs: of all rings.
        common: `(polygons,)` the direction they were made with.
        owners: `(rings,)` polygon of each ring.
    """
    owner, way = owners[runs.ring], runs.way
    for _ in range(2):
        along, lean = _leaning(runs, way)
        true = ~runs.free & (np.abs(lean) <= BENT * along)
        total = np.bincount(owner[true], along[true], len(common))
        turn = np.bincount(owner[true], lean[true], len(common)) / np.maximum(total, 1e-9)
        angle = np.arctan(turn)[owner]
        cos, sin = np.cos(angle), np.sin(angle)
        turned = np.stack(
            [way[:, 0] * cos - way[:, 1] * sin, way[:, 0] * sin + way[:, 1] * cos], axis=1
        )
        way = np.where(runs.free[:, None], way, turned)
    return _freed(replace(runs, way=way))


def _leaning(runs: Runs, way: Floats) -> tuple[Floats, Floats]:
    """Return the spread of each run's points along its way, and how they lean off it."""
    xx, xy, yy = runs.covariance
    x, y = way.T
    return x * x * xx + 2 * x * y * xy + y * y * yy, x * y * (yy - xx) + (x * x - y * y) * xy


def _freed(runs: Runs) -> Runs:
    """Return the runs, those that go their own way along the axis of their points."""
    xx, xy, yy = runs.covariance
    angle = np.arctan2(2 * xy, xx - yy) / 2
    own = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    own *= np.where((own * runs.way).sum(axis=1) < 0, -1, 1)[:, None]
    return replace(runs, way=np.where(runs.free[:, None], own, runs.way))


def squared(runs: Runs, shortest: Floats, reach: Floats) -> tuple[Runs, Floats]:
    """Return the runs that are left when none is too short, and the corner after each.

    Args:
        runs: of all rings, lined up.
        shortest: `(rings,)` length below which a run may be taken out.
        reach: `(rings,)` how far the outline may move by that.
    """
    done: list[Runs] = []
    while len(runs):
        runs = runs.take(np.bincount(runs.ring)[runs.ring] >= FEWEST)
        around = _around(runs)
        centre = _chosen(runs, around, shortest, reach)
        busy = np.zeros(len(shortest), np.bool_)
        busy[runs.ring[centre]] = True
        left, keep = _stepped(runs, around, centre)
        done.append(runs.take(~busy[runs.ring]))
        runs = left.take(keep & busy[runs.ring])
    joined = Runs.chained(done)
    joined = _freed(joined.take(np.argsort(joined.ring, kind="stable")))
    return joined, _around(joined).corner


def sharp(runs: Runs) -> Flags:
    """Return after which runs a ring turns back by more than 140°."""
    after = _around(runs).after
    return np.asarray((runs.way * runs.way[after]).sum(axis=1) < BACK)


@dataclass(frozen=True, kw_only=True)
class _Around:
    """What lies around each run."""

    before: Ints
    after: Ints
    corner: Floats
    """`(runs, 2)` where its line meets the next run's; not a number for parallels."""
    length: Floats
    """`(runs,)` from the corner before to the corner after, negative when it goes backwards."""


def _around(runs: Runs) -> _Around:
    at = np.arange(len(runs))
    starts = np.flatnonzero(np.append(len(runs) > 0, runs.ring[1:] != runs.ring[:-1])[: len(runs)])
    ends = np.append(starts[1:], len(runs))[: len(starts)] - 1
    before, after = at - 1, at + 1
    before[starts], after[ends] = ends, starts
    corner = _meeting(runs, at, after)
    length = ((corner - corner[before]) * runs.way).sum(axis=1)
    return _Around(before=before, after=after, corner=corner, length=length)


def _meeting(runs: Runs, one: Ints, other: Ints) -> Floats:
    """Return where the lines of two runs meet."""
    middle, way, there = runs.middle[one], runs.way[one], runs.way[other]
    across = cross(way, there)
    across[np.abs(across) < ALIKE] = np.nan
    along = cross(runs.middle[other] - middle, there) / across
    return np.asarray(middle + along[:, None] * way)


def cross(one: Floats, other: Floats) -> Floats:
    """Return the cross products of vectors of the plane."""
    return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])


def _alike(runs: Runs, one: Ints, other: Ints) -> tuple[Flags, Flags]:
    """Return whether two runs go the same way, and whether they go to and fro."""
    parallel = np.abs(cross(runs.way[one], runs.way[other])) < ALIKE
    same = (runs.way[one] * runs.way[other]).sum(axis=1) > 0
    return parallel & same, parallel & ~same


def _chosen(runs: Runs, around: _Around, shortest: Floats, reach: Floats) -> Ints:
    """Return the runs at which rings take their next steps; rings that are done have none.

    A step is taken where nothing within two runs comes before it, so that none meets another.
    """
    at = np.arange(len(runs))
    area, move = _price(runs, around)
    length = around.length
    with np.errstate(invalid="ignore"):
        short = (length < shortest[runs.ring]) & (move <= reach[runs.ring])
        price = np.where(short, area, np.inf)
        price = np.where(length <= 0, area - URGENT, price)
    same, fro = _alike(runs, at, around.after)
    price = np.where(same | fro, -FIRST, price)
    leads = price < np.inf
    for near in (around.before, around.after):
        for other in (near, near[near]):
            leads &= (price < price[other]) | ((price == price[other]) & (at < other))
    return np.flatnonzero(leads)


def _price(runs: Runs, around: _Around) -> tuple[Floats, Floats]:
    """Return the area that moves when a run is taken out, and by how much the outline does."""
    before, after, length = around.before, around.after, np.abs(around.length)
    left, right = length[before], length[after]
    same, fro = _alike(runs, before, after)
    shorter, longer = np.fmin(left, right), np.fmax(left, right)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = longer / (left + right)
    tip = _meeting(runs, before, after)
    start, end = around.corner[before], around.corner
    area = np.where(same, length * shorter * share, length * shorter)
    move = np.where(same, length * share, shorter)
    off = np.hypot(*(tip - (start + end) / 2).T)
    plain = ~(same | fro)
    return (
        np.where(plain, np.abs(cross(start - tip, end - tip)) / 2, area),
        np.where(plain, off, move),
    )


def _stepped(runs: Runs, around: _Around, centre: Ints) -> tuple[Runs, Flags]:
    """Return the runs after a step at each centre, and which of them stay."""
    before, after = around.before[centre], around.after[centre]
    keep, moments = np.ones(len(runs), np.bool_), runs.moments.copy()
    way, free = runs.way.copy(), runs.free.copy()
    join, fold = _alike(runs, centre, after)
    same, fro = _alike(runs, before, after)
    same, fro = same & ~(join | fold), fro & ~(join | fold)
    for into, gone, when in ((centre, after, join), (before, after, same)):
        to, off = into[when], gone[when]
        fewer = (moments[to, 0] < moments[off, 0])[:, None]
        way[to] = np.where(fewer, way[off], way[to])
        free[to] = np.where(fewer[:, 0], free[off], free[to])
        moments[to] += moments[off]
        keep[off] = False
    keep[centre[~(join | fold)]] = False
    for one, other, when in ((centre, after, fold), (before, after, fro)):
        less = moments[one, 0] < moments[other, 0]
        keep[np.where(less, one, other)[when]] = False
    return replace(runs, moments=moments, way=way, free=free), keep
