"""Link the corners of one class in one strip of rows into closed rings and open runs.

Every corner has one arm along its row and one along its column. Along a row the corners pair up
two by two, and so do those of a column; following row and column arms in turn walks the outlines.
Where foreground meets only diagonally, two corners share the point and each hugs its own pixel,
which makes the polygons 4-connected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geounet.footprints.corners import NE, NW, SADDLES, SE, SW

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.footprints.rings import Ints

RISING = np.isin(np.arange(16), [NW, SE, 15 - SW, 15 - NE])
"""`(16,)` True = NW - NE - SW + SE is 1, not -1, at this corner; it is left along its column."""

DOWNWARD = np.isin(np.arange(16), [SW, SE, 15 - SW, 15 - SE])
"""`(16,)` True = the corner's column arm goes down."""


@dataclass(frozen=True, kw_only=True)
class Corners:
    """Corners of one class in one strip, by (row, col); at a saddle the left arm comes first."""

    rows: Ints
    """`(corners,)` lattice row in the raster."""
    cols: Ints
    """`(corners,)` lattice column in the raster."""
    codes: NDArray[np.uint8]
    """`(corners,)` foreground around the point; at a saddle the one pixel this corner hugs."""
    integral: Ints
    """`(corners,)` sum of q over all pixels of the raster above and left of the point."""
    saddle: NDArray[np.bool_]
    """`(corners,)` True = another corner shares the point."""

    @property
    def signs(self) -> Ints:
        """Return `(corners,)` 1 or -1; Σ sign·integral over a component is its sum of q."""
        return np.where(RISING[self.codes], 1, -1)

    @classmethod
    def at_points(cls, rows: Ints, cols: Ints, codes: NDArray[np.uint8], integral: Ints) -> Corners:
        """Return the corners at lattice points that are given in row-major order."""
        saddle = np.isin(codes, SADDLES)
        index = np.repeat(np.arange(len(codes)), 1 + saddle)
        single = codes[index]
        first = np.flatnonzero(saddle) + np.arange(np.count_nonzero(saddle))
        falling = single[first] == NW | SE
        single[first] = np.where(falling, NW, SW)
        single[first + 1] = np.where(falling, SE, NE)
        return cls(
            rows=rows[index],
            cols=cols[index],
            codes=single,
            integral=integral[index],
            saddle=saddle[index],
        )


@dataclass(frozen=True)
class Stubs:
    """Upright edges that cross the seam between two strips."""

    cols: Ints
    """`(stubs,)` lattice column, ascending."""
    falling: NDArray[np.bool_]
    """`(stubs,)` True = walked downwards, with foreground to the right of the edge."""

    @classmethod
    def below(cls, row: NDArray[np.bool_]) -> Stubs:
        """Return the edges of one row of pixels, `(width,)`, True = foreground."""
        edges = np.diff(row.astype(np.int8), prepend=0, append=0)
        cols = np.flatnonzero(edges)
        return cls(cols, edges[cols] > 0)

    def __len__(self) -> int:
        """Return the number of stubs."""
        return len(self.cols)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The traces of a strip: open runs first, then closed rings."""

    walk: Ints
    """`(corners,)` index of the corners, trace after trace."""
    offsets: Ints
    """`(traces + 1,)` where each trace starts in `walk`; a run may be empty, a ring never is."""
    sources: list[int]
    """Stub at which each run starts: those carried in come first, then those carried out."""
    sinks: list[int]
    """Stub at which each run ends."""
    edge_cols: Ints
    """`(edges,)` lattice column of the upright edges with foreground to their right."""
    edge_rows: Ints
    """`(edges, 2)` first and last + 1 pixel row of each such edge."""
    edge_traces: Ints
    """`(edges,)` trace that such an edge is part of."""

    def trace_at(self, rows: Ints, cols: Ints) -> Ints:
        """Return the trace on the left of the run of foreground that holds each pixel.

        Args:
            rows: `(pixels,)` row of foreground pixels, in the strip or just above it.
            cols: `(pixels,)` column of the pixels.
        """
        asked, level = np.unique(rows, return_inverse=True)
        low, high = np.searchsorted(asked, self.edge_rows).T
        counts = high - low
        edge = np.repeat(np.arange(len(counts)), counts)
        levels = np.arange(len(edge)) + np.repeat(low - np.cumsum(counts) + counts, counts)
        width = max(int(self.edge_cols.max(initial=0)), int(cols.max(initial=0))) + 1
        keys = levels * width + self.edge_cols[edge]
        order = np.argsort(keys)
        nearest = np.searchsorted(keys[order], level * width + cols, side="right") - 1
        return self.edge_traces[edge[order[nearest]]]


def link(corners: Corners, rows: range, carried: Stubs, leaving: Stubs) -> Strip:
    """Return the traces of a strip.

    Args:
        corners: all corners on the lattice rows `rows`.
        rows: lattice rows of the strip, its upper seam included, its lower one not.
        carried: edges that cross the upper seam.
        leaving: edges that cross the lower seam.
    """
    count, stubs = len(corners.rows), len(carried) + len(leaving)
    edges = _upright_edges(corners, rows, carried, leaving)
    falling = np.concatenate([RISING[corners.codes], carried.falling, leaving.falling])
    starts = count + np.flatnonzero(
        np.concatenate([carried.falling, ~leaving.falling])  # in from above, or in from below
    )
    following = np.empty(count + stubs, np.int64)
    following[edges[:, 0]], following[edges[:, 1]] = edges[:, 1], edges[:, 0]
    along_row = np.flatnonzero(~RISING[corners.codes])
    following[along_row] = along_row ^ 1
    walk, offsets, ends = _walk(following.tolist(), starts.tolist(), count)
    trace = np.empty(count + stubs, np.int64)
    trace[walk] = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    trace[starts] = np.arange(len(starts))
    upper, lower = edges[falling[edges[:, 0]]].T
    row = np.full(count + stubs, rows.stop)
    row[:count] = corners.rows
    row[count : count + len(carried)] = rows.start - 1
    col = np.concatenate([corners.cols, carried.cols, leaving.cols])
    return Strip(
        walk=walk,
        offsets=offsets,
        sources=(starts - count).tolist(),
        sinks=[end - count for end in ends],
        edge_cols=col[upper],
        edge_rows=np.stack([row[upper], row[lower]], axis=1),
        edge_traces=trace[upper],
    )


def _upright_edges(corners: Corners, rows: range, carried: Stubs, leaving: Stubs) -> Ints:
    """Return `(edges, 2)` the upper and lower end of every upright edge.

    An end is the index of a corner, or, after all corners, of a stub carried in or out.
    """
    height = 2 * max(len(rows), 1) + 2
    step = (
        1 + 2 * (corners.rows - rows.start) + DOWNWARD[corners.codes]
    )  # a saddle's upper arm first
    keys = [corners.cols * height + step, carried.cols * height, (leaving.cols + 1) * height - 1]
    return np.argsort(np.concatenate(keys)).reshape(-1, 2)


def _walk(following: list[int], starts: list[int], count: int) -> tuple[Ints, Ints, list[int]]:
    """Return the corners of all runs and rings in turn, their offsets, and the ends of the runs."""
    seen = bytearray(count)
    walk: list[int] = []
    offsets, ends = [0], []
    for start in starts:
        at = following[start]
        while at < count:
            seen[at] = 1
            walk.append(at)
            at = following[at]
        offsets.append(len(walk))
        ends.append(at)
    start = seen.find(0)
    while start >= 0:
        at = start
        while not seen[at]:
            seen[at] = 1
            walk.append(at)
            at = following[at]
        offsets.append(len(walk))
        start = seen.find(0, start)
    return np.array(walk, np.int64), np.array(offsets, np.int64), ends
