"""Join one class's traces across strips, and group the rings of each component into a polygon."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geounet.footprints.link import Corners, Strip, Stubs, link
from geounet.footprints.rings import (
    Footprints,
    Ints,
    canonical,
    gather,
    segment_sums,
    signed_areas,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(eq=False, slots=True)
class Chain:
    """An outline that is open at both ends."""

    node: int
    """The component it bounds, as an index that holds for one strip."""
    parts: deque[NDArray[np.int32]]
    """`(vertices, 3)` row, column and 1 at a saddle, in the order of the walk."""
    head: int
    """Stub at which it starts; stubs carried into the strip come first, then those carried out."""
    tail: int
    """Stub at which it ends."""


@dataclass(frozen=True)
class Holes:
    """Closed holes that wait for their exterior."""

    coords: NDArray[np.int32]
    """`(vertices, 2)` row and column, ring after ring."""
    lengths: Ints
    """`(rings,)` vertices of each."""


@dataclass(eq=False, slots=True)
class Component:
    """What is known of a 4-connected component that reaches below the strips seen so far."""

    pixels: int
    """Signed area at its corners so far."""
    q_sum: int
    """Sum of q at its corners so far."""
    touches_edge: bool
    """Whether it is known to touch the raster's edge or nodata."""
    holes: list[Holes] = field(default_factory=list)
    """Its closed holes, strip by strip."""


@dataclass(frozen=True, kw_only=True)
class _Rings:
    """Rings that closed in one strip, before they are parted where they meet themselves."""

    points: NDArray[np.int32]
    """`(vertices, 3)` row, column and 1 at a saddle."""
    offsets: Ints
    """`(rings + 1,)` where each ring starts."""
    nodes: Ints
    """`(rings,)` component of each ring."""
    areas: Ints
    """`(rings,)` signed area in pixels."""


@dataclass(frozen=True)
class _Totals:
    """Sums over components; they hold at the node that is a component's root."""

    pixels: Ints
    """`(nodes,)` pixels."""
    q_sum: Ints
    """`(nodes,)` sum of q."""
    touches_edge: NDArray[np.bool_]
    """`(nodes,)` True = at the raster's edge or next to nodata."""


class Linker:
    """One class's outlines: strips go in from the top, finished polygons come out."""

    def __init__(self, class_index: int, shape: tuple[int, int]) -> None:
        """Start above the first row of a raster."""
        self._class = class_index
        self._shape = shape
        self._stubs = Stubs(np.zeros(0, np.int64), np.zeros(0, np.bool_))
        self._chains: list[Chain] = []  # of each stub; an open chain stands at two
        self._components: list[Component] = []

    def add(self, corners: Corners, rows: range, below: NDArray[np.bool_], rim: Ints) -> Footprints:
        """Return the polygons that are closed once a strip is known.

        Args:
            corners: all corners on the lattice rows `rows`.
            rows: lattice rows of the strip, its upper seam included, its lower one not.
            below: `(width,)` True = this class, in the last row of pixels.
            rim: `(pixels, 2)` (row, col) of this class's pixels next to nodata that were not
                given before.
        """
        carried, self._stubs = self._stubs, Stubs.below(below)
        strip = link(corners, rows, carried, self._stubs)
        points = np.stack([corners.rows, corners.cols, corners.saddle], axis=1).astype(np.int32)
        root, closed = self._joined(strip, points[strip.walk], len(carried))
        rings = _closed_rings(strip, points[strip.walk], closed, len(self._components))
        marked = self._grouped(root, rings, strip, rim)
        return self._settled(root, rings, self._totals(root, strip, corners, marked))

    def _joined(
        self, strip: Strip, points: NDArray[np.int32], carried: int
    ) -> tuple[Ints, list[Chain]]:
        """Join the runs to the chains; return a parent of every node, and the chains now closed.

        Nodes are the components, then the strip's traces.
        """
        first, runs = len(self._components), len(strip.sinks)
        parent = list(range(first + len(strip.offsets) - 1))
        at: dict[int, Chain] = dict(enumerate(self._chains))
        closed = []
        for run, (head, tail) in enumerate(zip(strip.sources, strip.sinks, strict=True)):
            part = points[strip.offsets[run] : strip.offsets[run + 1]]
            chain = Chain(first + run, deque([part]), head, tail)
            if head < carried:
                chain = _follow(at[head], chain, parent)
            if tail < carried:
                if at[tail] is chain:
                    closed.append(chain)
                    continue
                chain = _follow(chain, at[tail], parent)
            at[chain.head] = at[chain.tail] = chain
        self._chains = [at[carried + stub] for stub in range(len(self._stubs))]
        for chain in {id(chain): chain for chain in self._chains}.values():
            chain.head -= carried
            chain.tail -= carried
        for node in range(first + runs):
            parent[node] = _find(parent, node)
        return np.array(parent, np.int64), closed

    def _grouped(self, root: Ints, rings: _Rings, strip: Strip, rim: Ints) -> Ints:
        """Hang every hole on the trace left of it, in `root`; return the nodes next to nodata.

        The pixel under the left end of a hole's lowest edge is foreground. The trace on the left
        of that pixel's run is the exterior, or a hole that reaches further down; so this ends.
        """
        holes = np.flatnonzero(rings.areas < 0)
        at, ends = gather(rings.offsets, holes)
        rows, cols = rings.points[at, 0].astype(np.int64), rings.points[at, 1]
        lowest = np.zeros((0, 2), np.int64)
        if len(holes):
            last = np.maximum.reduceat(rows, ends[:-1])
            cols = np.where(rows == np.repeat(last, np.diff(ends)), cols, self._shape[1])
            lowest = np.stack([last, np.minimum.reduceat(cols, ends[:-1])], axis=1)
        asked = np.concatenate([lowest, rim])
        if len(asked):
            found = len(self._components) + strip.trace_at(asked[:, 0], asked[:, 1])
            root[root[rings.nodes[holes]]] = found[: len(holes)]
        else:
            found = np.zeros(0, np.int64)
        while not np.array_equal(further := root[root], root):
            root[:] = further
        return found[len(holes) :]

    def _totals(self, root: Ints, strip: Strip, corners: Corners, marked: Ints) -> _Totals:
        """Return the sums over each component, from what was known and from this strip."""
        height, width = self._shape
        rows, cols = corners.rows[strip.walk], corners.cols[strip.walk]
        signs = corners.signs[strip.walk]
        outer = (rows == 0) | (rows == height) | (cols == 0) | (cols == width)
        known = self._components
        parts = [
            ([each.pixels for each in known], signs * rows * cols),
            ([each.q_sum for each in known], signs * corners.integral[strip.walk]),
            ([each.touches_edge for each in known], outer.astype(np.int64)),
        ]
        totals = np.zeros((3, len(root)), np.int64)
        for total, (before, values) in zip(totals, parts, strict=True):
            here = segment_sums(values, strip.offsets)
            np.add.at(total, root, np.concatenate([np.array(before, np.int64), here]))
        totals[2, root[marked]] = 1
        return _Totals(totals[0], totals[1], totals[2] > 0)

    def _settled(self, root: Ints, rings: _Rings, totals: _Totals) -> Footprints:
        """Return the components whose exterior has closed, and keep the others."""
        done = np.zeros(len(root), np.bool_)
        done[root[rings.nodes[rings.areas > 0]]] = True
        coords, offsets, origin = split(rings.points, rings.offsets)
        coords, owners = canonical(coords, offsets), root[rings.nodes[origin]]
        before, open_now = self._components, self._kept(root, totals)
        held: list[tuple[int, Holes]] = []
        for component, node in zip(before, root.tolist(), strict=False):
            if done[node]:
                held += [(node, holes) for holes in component.holes]
            else:
                open_now[node].holes += component.holes
        ready = done[owners]
        for node, holes in _by_owner(coords, offsets, owners, np.flatnonzero(~ready)):
            open_now[node].holes.append(holes)
        at, offsets = gather(offsets, np.flatnonzero(ready))
        coords = np.concatenate([coords[at], *(holes.coords for _, holes in held)])
        lengths = np.concatenate([np.diff(offsets), *(holes.lengths for _, holes in held)])
        repeats = [np.full(len(holes.lengths), node) for node, holes in held]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return self._assembled(coords, offsets, np.concatenate([owners[ready], *repeats]), totals)

    def _kept(self, root: Ints, totals: _Totals) -> dict[int, Component]:
        """Number the components that are still open anew; return them by their present node."""
        nodes = root[[chain.node for chain in self._chains]] if self._chains else root[:0]
        kept, index = np.unique(nodes, return_inverse=True)
        for chain, at in zip(self._chains, index.tolist(), strict=True):
            chain.node = at
        self._components = [
            Component(int(totals.pixels[at]), int(totals.q_sum[at]), bool(totals.touches_edge[at]))
            for at in kept
        ]
        return dict(zip(kept.tolist(), self._components, strict=True))

    def _assembled(
        self, coords: NDArray[np.int32], offsets: Ints, owners: Ints, totals: _Totals
    ) -> Footprints:
        """Return the polygons of some rings: exterior first, then the holes by first vertex."""
        first = coords[offsets[:-1]]
        hole = signed_areas(coords, offsets) < 0
        order = np.lexsort((first[:, 1], first[:, 0], hole, owners))
        exteriors = np.flatnonzero(~hole[order])
        at, ring_offsets = gather(offsets, order)
        nodes = owners[order[exteriors]]
        return Footprints(
            coords=coords[at],
            ring_offsets=ring_offsets,
            polygon_offsets=np.append(exteriors, len(order)).astype(np.int64),
            class_index=np.full(len(nodes), self._class, np.uint8),
            pixels=totals.pixels[nodes],
            q_sum=totals.q_sum[nodes],
            touches_edge=totals.touches_edge[nodes],
        )


def _by_owner(
    coords: NDArray[np.int32], offsets: Ints, owners: Ints, rings: Ints
) -> Iterator[tuple[int, Holes]]:
    """Yield some rings, those of one owner together."""
    rings = rings[np.argsort(owners[rings], kind="stable")]
    cuts = np.flatnonzero(np.diff(owners[rings], prepend=-1))
    for group in np.split(rings, cuts[1:]) if len(rings) else ():
        at, ends = gather(offsets, group)
        yield int(owners[group[0]]), Holes(coords[at], np.diff(ends))


def _find(parent: list[int], node: int) -> int:
    """Return the root of a node, halving its path."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


def _follow(first: Chain, second: Chain, parent: list[int]) -> Chain:
    """Return `first` with `second` appended, and make them one component."""
    if len(first.parts) >= len(second.parts):
        first.parts.extend(second.parts)
    else:
        second.parts.extendleft(reversed(first.parts))
        first.parts = second.parts
    first.tail = second.tail
    parent[_find(parent, second.node)] = _find(parent, first.node)
    return first


def _closed_rings(
    strip: Strip, points: NDArray[np.int32], chains: list[Chain], components: int
) -> _Rings:
    """Return the rings of a strip, then those that its runs have closed."""
    runs = len(strip.sinks)
    start = strip.offsets[runs]
    joined = [np.concatenate(chain.parts) for chain in chains]
    lengths = np.concatenate([np.diff(strip.offsets[runs:]), [len(ring) for ring in joined]])
    nodes = np.concatenate(
        [
            components + np.arange(runs, len(strip.offsets) - 1),
            np.array([chain.node for chain in chains], np.int64),
        ]
    )
    points = np.concatenate([points[start:], *joined])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    areas = signed_areas(points[:, :2], offsets)
    return _Rings(points=points, offsets=offsets, nodes=nodes, areas=areas)
