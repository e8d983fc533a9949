"""What a run takes of memory, reckoned before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geounet.blend import weights_of

if TYPE_CHECKING:
    from geounet.card import ModelCard
    from geounet.grid import TileGrid

PROCESS = 900_000_000
"""What stands before the first tile: Python, torch, GDAL, the outputs' libraries, weights."""
BUDGET = 2_000_000_000
"""Bytes a process on a CPU may take when nobody says how many."""
UNMEASURED = 512
"""Bytes a tile pixel of a network nobody has measured."""
FINISHED = 12
"""Bytes a pixel of a finished cell: quantised, labelled, traced."""
TAKEN = 1.85
"""What torch takes for each byte of float32 activations that lives: it keeps freed buffers."""
TAKEN_BY = {
    ("torch", "bf16"): 1.1,
    ("onnx", "fp32"): 1.4,
    ("openvino", "fp32"): 0.8,
    ("openvino", "bf16"): 0.55,
    ("openvino", "int8"): 0.55,
}
"""The same of leaner engines on a CPU, measured with tiles of 1024 to 2240 pixels."""
SHARE = 0.6
"""Part of a device's free memory that activations may take."""


@dataclass(frozen=True)
class Room:
    """Where there is memory, and how much."""

    device: str = "cpu"
    """Where the network runs."""
    limit: int | None = None
    """Bytes the process was allowed; None = a budget of our own."""
    on_device: int | None = None
    """Free bytes of the device's own memory; None when it has none."""
    backend: str = "torch"
    """Engine that runs the network."""
    precision: str = "fp32"
    """Its precision."""

    @property
    def budget(self) -> float:
        """Bytes the process may take."""
        own = BUDGET if self.on_device is None else float("inf")
        return own if self.limit is None else self.limit

    def fits(self, process: int, network: int) -> bool:
        """Return whether there is room for a process with activations of so many bytes."""
        there = self.on_device is None or network <= SHARE * self.on_device
        return there and process <= self.budget

    def network(self, tile: int, batch_size: int, card: ModelCard) -> int:
        """Return the bytes that one batch takes inside the network."""
        engine = (self.backend, self.precision)
        taken = TAKEN if self.on_device is not None else TAKEN_BY.get(engine, TAKEN)
        return round(batch_size * tile * tile * taken * (card.bytes_per_pixel or UNMEASURED))


def walk_bytes(grid: TileGrid, blend: str, card: ModelCard) -> int:
    """Return what the rows of a band take: read, blended and finished."""
    width = min(grid.shape[1], max(grid.band_width, grid.stride)) + 2 * grid.halo
    raw = len(card.bands) * np.dtype(card.dtype).itemsize + 1
    read = (2 * grid.tile + grid.stride) * raw  # a row of tiles, the next rows, both joined
    overlap = grid.reach * grid.stride + grid.halo if weights_of(blend) else 0
    sums = (grid.stride + overlap) * (4 * len(card.classes) + 1)
    return width * (read + sums + grid.stride * FINISHED)
