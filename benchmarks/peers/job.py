"""What one contestant is asked to do; travels to its process as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of one contestant."""

    contestant: str
    """Name of its module in `contestants`."""
    mode: str
    """`null`: to a probability raster; `polygons`: to a vector file."""
    raster: str
    """RGB uint8 GeoTIFF."""
    model: str
    """A geounet model file: card and weights, the same for all."""
    folder: str
    """Empty folder for the results."""
    tile: int
    """Edge of the network's input, pixels; 0 is for us to settle."""
    halo: int
    """Context on each side of what is kept, half of what tiles share; 0 is for us to settle."""
    batch: int
    """Tiles in a batch; 0 is for us to settle."""
    threads: int
    """Threads of the network."""
    flags: tuple[str, ...] = ()
    """What is added to our command line."""

    @property
    def overlap(self) -> int:
        """What neighbouring tiles share, pixels."""
        return 2 * self.halo

    @property
    def blends(self) -> bool:
        """Overlapping tiles are averaged; else their edges are thrown away, if a peer can."""
        return self.mode == "null"

    def file(self, name: str) -> Path:
        """Return the path of a result."""
        return Path(self.folder) / name

    def to_json(self) -> str:
        """Return the job as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Return the job a text describes."""
        values = json.loads(text)
        return cls(**values | {"flags": tuple(values["flags"])})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a contestant says of its result."""

    result: Path
    """Probability raster or vector file."""
    note: str
    """The settings it ran with, in a few words."""
    packages: tuple[str, ...] = ()
    """Packages whose versions matter."""
    halo: int | None = None
    """What it settled; None is the job's."""
    step: float = 1 / 254
    """`null`: value of one step of the raster's numbers; 1 when they are probabilities."""
