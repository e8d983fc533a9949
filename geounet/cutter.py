"""Cut chips and their masks out of one raster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from geounet.annotations.drawn import Drawn
from geounet.reader import Patch
from geounet.tiff import write_tiff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.annotations.classes import Classes
    from geounet.annotations.shapes import Shape
    from geounet.reader import Reader

PARTS = ("images", "masks")
"""Folders of a split."""


class Cutter:
    """Cuts squares of one size out of a raster with outlines on it."""

    def __init__(
        self,
        reader: Reader,
        shapes: Sequence[Shape],
        classes: Classes,
        tile: int,
        scale: tuple[float, float] | None,
    ) -> None:
        """Keep what can be drawn.

        Args:
            reader: of the raster.
            shapes: the outlines, in its pixels.
            classes: theirs; where two overlap, the larger number stands.
            tile: edge of a chip.
            scale: raw values that become 0 and 255 of 8 bits; None keeps pixels as they are.
        """
        self._reader, self._tile, self._scale = reader, tile, scale
        self._drawn = Drawn.of(shapes, classes)
        self.faulty = len(shapes) - len(self._drawn.shapes)

    def patch(self, row: int, col: int) -> Patch:
        """Return a tile; what lies beyond the raster is not valid."""
        info, edge = self._reader.info, self._tile
        height, width = min(edge, info.height - row), min(edge, info.width - col)
        found = self._reader.read(Window(col, row, width, height))
        data = self._scaled(found.data)
        data[:, ~found.valid] = 0
        beyond = ((0, edge - height), (0, edge - width))
        return Patch(
            np.pad(data, ((0, 0), *beyond)),
            np.pad(found.valid, beyond),
            Window(col, row, edge, edge),
        )

    def write(self, patch: Patch, folder: Path, name: str) -> dict[str, Any]:
        """Write a chip and its mask, 1 = building or the class; return what the mask holds."""
        mask = np.where(patch.valid, self._drawn.labels(patch.window), np.uint8(0))
        truth = Patch(mask[None], np.ones_like(patch.valid), patch.window)
        for part, made in zip(PARTS, (patch, truth), strict=True):
            info = replace(self._reader.info, dtype=made.data.dtype)
            write_tiff(folder / part / name, made, info)
        return {
            "built": round(float((mask > 0).mean()), 4),
            "buildings": len(self._drawn.near(patch.window)),
        }

    def _scaled(self, data: NDArray[Any]) -> NDArray[Any]:
        if self._scale is None:
            return np.array(data)
        low, high = self._scale
        scaled = (np.nan_to_num(data.astype(np.float32)) - low) * (255 / (high - low))
        return np.asarray(np.clip(scaled + 0.5, 0, 255).astype(np.uint8))
