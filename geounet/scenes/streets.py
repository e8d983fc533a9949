"""The street net: long streets, cross streets between them, all bent by one smooth warp."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """A place and a direction."""

    x: float
    """Metres east of the scene's corner."""
    y: float
    """Metres south of the scene's corner."""
    angle: float
    """Direction of the frame's first axis, radians from east to south."""

    def at(self, along: float, across: float, turn: float = 0.0) -> Frame:
        """Return the frame at an offset within this one, turned."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        x = self.x + along * cosine - across * sine
        y = self.y + along * sine + across * cosine
        return Frame(float(x), float(y), self.angle + turn)

    def box(self, half_along: float, half_across: float) -> shapely.Polygon:
        """Return the rectangle around this frame."""
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        corners = [self.at(a * half_along, b * half_across) for a, b in signs]
        return shapely.Polygon([(corner.x, corner.y) for corner in corners])


@dataclass(frozen=True)
class Warp:
    """Plan coordinates (a straight grid) → metres in the scene."""

    middle: float
    """Middle of the scene, metres."""
    angle: float
    """Turn of the whole town, radians."""
    waves: Points
    """`(n, 5)`: wave vector u, v; push x, y; phase."""

    @classmethod
    def draw(cls, side: float, rng: np.random.Generator) -> Warp:
        """Return a random warp for a scene of the given side in metres."""
        direction = rng.uniform(0, 2 * np.pi, 3)
        length = rng.uniform(150, 420, 3)
        push = rng.uniform(0, 2 * np.pi, 3)
        reach = length * rng.uniform(0.015, 0.035, 3)
        wave = 2 * np.pi / length * np.stack([np.cos(direction), np.sin(direction)])
        phase = rng.uniform(0, 2 * np.pi, 3)
        waves = np.stack([*wave, reach * np.cos(push), reach * np.sin(push), phase], axis=1)
        return cls(side / 2, float(rng.uniform(0, np.pi)), waves)

    def __call__(self, points: Points) -> Points:
        """Return scene metres `(n, 2)` of plan points `(n, 2)`."""
        bent = points.copy()
        for u, v, push_u, push_v, phase in self.waves:
            swing = np.sin(points @ (u, v) + phase)
            bent += swing[:, None] * (push_u, push_v)
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turned: Points = bent @ np.array([[cosine, sine], [-sine, cosine]])
        return turned + self.middle

    def frame(self, u: float, v: float) -> Frame:
        """Return the frame whose first axis runs along the plan's u axis."""
        here, ahead = self(np.array([[u, v], [u + 1.0, v]]))
        angle = np.arctan2(ahead[1] - here[1], ahead[0] - here[0])
        return Frame(float(here[0]), float(here[1]), float(angle))

    def line(self, start: tuple[float, float], end: tuple[float, float]) -> shapely.LineString:
        """Return a bent line between two plan points."""
        count = max(2, int(np.hypot(end[0] - start[0], end[1] - start[1]) / 5))
        return shapely.LineString(self(np.linspace(start, end, count)))


@dataclass(frozen=True)
class Street:
    """One street."""

    line: shapely.LineString
    """Its axis, metres."""
    width: float
    """Carriageway, metres."""


@dataclass(frozen=True)
class Block:
    """The ground between streets, a rectangle of the plan (to the street axes)."""

    left: float
    """Smallest u."""
    top: float
    """Smallest v."""
    right: float
    """Largest u."""
    bottom: float
    """Largest v."""
    warp: Warp
    """Plan → scene."""

    @property
    def polygon(self) -> shapely.Polygon:
        """The block's ground in the scene."""
        corners = [(self.left, self.top), (self.right, self.top)]
        corners += [(self.right, self.bottom), (self.left, self.bottom), (self.left, self.top)]
        edges = [self.warp.line(a, b).coords[:-1] for a, b in pairwise(corners)]
        return shapely.Polygon([point for edge in edges for point in edge])

    def edge(self, name: str, along: float, inward: float) -> Frame:
        """Return a frame on an edge: first axis along the street, second into the block."""
        if name == "top":
            return self.warp.frame(along, self.top).at(0, inward)
        if name == "bottom":
            return self.warp.frame(along, self.bottom).at(0, -inward, np.pi)
        if name == "left":
            return self.warp.frame(self.left, along).at(inward, 0, -np.pi / 2)
        return self.warp.frame(self.right, along).at(-inward, 0, np.pi / 2)

    @property
    def middle(self) -> tuple[float, float]:
        """The block's middle in the plan."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


def lay_streets(side: float, rng: np.random.Generator) -> tuple[list[Street], list[Block]]:
    """Return the streets and blocks that cover a square scene and a little more."""
    warp = Warp.draw(side, rng)
    reach = 0.72 * side + 60
    rows = _cuts(reach, (42, 66), rng)
    streets, blocks = [], []
    for row, (top, bottom) in enumerate(pairwise(rows)):
        width = 8.8 if row % 4 == 1 else float(rng.uniform(5.5, 7.5))
        streets.append(Street(warp.line((-reach, top), (reach, top)), width))
        cuts = _cuts(reach, (65, 135), rng)
        for left, right in pairwise(cuts):
            line = warp.line((left, top), (left, bottom))
            streets.append(Street(line, float(rng.uniform(5, 7))))
            blocks.append(Block(left, top, right, bottom, warp))
    frame = shapely.box(0, 0, side, side).buffer(25)
    streets = [street for street in streets if street.line.intersects(frame)]
    return streets, [block for block in blocks if block.polygon.intersects(frame)]


def _cuts(reach: float, gap: tuple[float, float], rng: np.random.Generator) -> list[float]:
    cuts = [-reach - float(rng.uniform(0, gap[0]))]
    while cuts[-1] < reach:
        cuts.append(cuts[-1] + float(rng.uniform(*gap)))
    return cuts
