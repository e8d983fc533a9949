"""What a town is made of: roofs, buildings, trees, vehicles, patches of ground."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import shapely

from geounet.scenes.streets import Frame

Colour = tuple[float, float, float]
Damage = Literal["none", "minor", "major", "destroyed"]
TreeKind = Literal["leafy", "conifer", "bare"]
Zone = Literal["suburb", "old", "industry", "slabs", "village", "park"]


@dataclass(frozen=True, kw_only=True)
class Roof:
    """A rectangular roof; those of one building overlap and the higher one wins."""

    frame: Frame
    """Middle, and direction of the ridge."""
    long: float
    """Half the length along the ridge, metres."""
    wide: float
    """Half the width across it, metres."""
    shape: Literal["gable", "hip", "shed", "flat", "box"]
    """`flat` has a parapet; `box` is a thing on a roof, without one."""
    eave: float
    """Height of the lowest edge, metres."""
    pitch: float = 0.0
    """Rise over run."""
    colour: Colour
    """Display colour, 0-255."""
    cover: Literal["tile", "seam", "sheet", "panel"]
    """Texture: courses, standing seams, membrane, solar panel."""


@dataclass(frozen=True, kw_only=True)
class Building:
    """One building as a labeller would draw it."""

    roofs: tuple[Roof, ...]
    """Its wings, then what stands on them."""
    outline: shapely.Polygon
    """Outline of the roof, metres."""
    damage: Damage = "none"
    """What a storm left of it."""

    def scaled(self, factor: float) -> Building:
        """Return the building shrunk or grown about its middle; heights stay."""
        middle = self.outline.centroid
        x, y = float(middle.x), float(middle.y)

        def moved(roof: Roof) -> Roof:
            frame = roof.frame
            spot = Frame(x + factor * (frame.x - x), y + factor * (frame.y - y), frame.angle)
            return replace(roof, frame=spot, long=factor * roof.long, wide=factor * roof.wide)

        outline = shapely.transform(self.outline, lambda p: (x, y) + factor * (p - (x, y)))
        return replace(self, roofs=tuple(map(moved, self.roofs)), outline=outline)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree or a shrub."""

    x: float
    """Metres east."""
    y: float
    """Metres south."""
    radius: float
    """Of the crown, metres."""
    height: float
    """Metres."""
    colour: Colour
    """Display colour, 0-255."""
    kind: TreeKind
    """How the crown looks."""


@dataclass(frozen=True, kw_only=True)
class Vehicle:
    """A car, a truck or a container."""

    frame: Frame
    """Middle and driving direction."""
    long: float
    """Half the length, metres."""
    wide: float
    """Half the width, metres."""
    height: float
    """Metres."""
    colour: Colour
    """Display colour, 0-255."""
    windows: bool = True
    """Whether there is dark glass to be seen."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A piece of ground of one material."""

    polygon: shapely.Polygon | shapely.MultiPolygon
    """Where, metres."""
    material: str
    """A name in `ground.MATERIALS`."""
    tint: float = 1.0
    """Brightness against its kind."""
    mix: float = 0.0
    """Shift from the material's colour (-0.5) to its other one (0.5)."""
    angle: float = 0.0
    """Direction of stripes, radians."""


@dataclass
class Filling:
    """What one block, or the whole town, is filled with."""

    buildings: list[Building] = field(default_factory=list)
    """Earlier ones win where two overlap."""
    trees: list[Tree] = field(default_factory=list)
    """All of them."""
    vehicles: list[Vehicle] = field(default_factory=list)
    """All of them."""
    patches: list[Patch] = field(default_factory=list)
    """Later ones cover earlier ones."""

    def add(self, other: Filling) -> None:
        """Take over everything of another filling."""
        self.buildings += other.buildings
        self.trees += other.trees
        self.vehicles += other.vehicles
        self.patches += other.patches
