"""Tiles through any step, batch by batch; knows neither torch nor U-Net."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.errors import DeviceMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from geounet.backends import Step
    from geounet.grid import Tile
    from geounet.rows import RowSource

log = logging.getLogger(__name__)

PROBABILITY = "probability"
"""The map that every step gives."""


@dataclass(frozen=True)
class Inferred:
    """What became of one tile."""

    tile: Tile
    """Where it lies."""
    maps: NDArray[np.float32] | None
    """Probability `(classes, tile, tile)`, None when the tile was skipped."""
    valid: NDArray[np.bool_]
    """`(tile, tile)`, True = data."""
    layers: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Further maps `(channels, height, width)` of the tile, by name, each at its own stride."""


class Batcher:
    """Runs tiles through a step in batches of one shape; halves the batch when memory is short."""

    def __init__(self, step: Step, batch_size: int, *, skip_by_core: bool) -> None:
        """Set the batch size.

        Args:
            step: the model.
            batch_size: tiles in a batch.
            skip_by_core: skip tiles whose core has no data (True, when only cores are kept), or
                those whose whole read window has none (False, when read windows are blended).
        """
        self._step, self.batch_size = step, batch_size
        self._skip_by_core = skip_by_core

    def run(self, source: RowSource, tiles: Sequence[Tile]) -> Iterator[Inferred]:
        """Yield the tiles of one row, in order.

        Args:
            source: has the row loaded.
            tiles: neighbouring tiles; batches never reach beyond them.
        """
        waiting: list[tuple[Tile, bool]] = []
        for tile in tiles:
            waiting.append((tile, self._wanted(tile, source.tile(tile)[1])))
            if sum(wanted for _, wanted in waiting) == self.batch_size:
                yield from self._done(source, waiting)
                waiting = []
        yield from self._done(source, waiting)

    def _done(self, source: RowSource, waiting: Sequence[tuple[Tile, bool]]) -> Iterator[Inferred]:
        """Run the tiles of one batch; yield them with the skipped ones that lie between."""
        made = iter(self._infer([source.tile(tile) for tile, wanted in waiting if wanted]))
        for tile, wanted in waiting:
            maps = next(made) if wanted else {}
            valid = source.tile(tile)[1]
            yield Inferred(tile, maps.pop(PROBABILITY, None), valid, maps)

    def _wanted(self, tile: Tile, valid: NDArray[np.bool_]) -> bool:
        if not self._skip_by_core:
            return bool(valid.any())
        top = int(tile.core.row_off - tile.read.row_off)
        left = int(tile.core.col_off - tile.read.col_off)
        core = valid[top : top + int(tile.core.height), left : left + int(tile.core.width)]
        return bool(core.any())

    def _infer(
        self, patches: Sequence[tuple[NDArray[Any], NDArray[np.bool_]]]
    ) -> list[dict[str, NDArray[np.float32]]]:
        """Run patches; on a full device in smaller batches, from now on."""
        done: list[dict[str, NDArray[np.float32]]] = []
        while len(done) < len(patches):
            part = patches[len(done) : len(done) + self.batch_size]
            try:
                made = self._step(*self._stacked(part))
                done += [{name: maps[at] for name, maps in made.items()} for at in range(len(part))]
            except DeviceMemoryError as error:
                if self.batch_size == 1:
                    edge = part[0][1].shape[-1]
                    told = f"{error} (tiles of {edge}); try a smaller --tile"
                    raise DeviceMemoryError(told) from error
                self.batch_size = self.batch_size // 2
                log.warning("out of device memory; going on with batches of %d", self.batch_size)
        return done

    def _stacked(
        self, patches: Sequence[tuple[NDArray[Any], NDArray[np.bool_]]]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """One batch of the usual shape, the last patch repeated to fill it.

        A kernel may round differently for another shape, so every batch has the same. A batch of
        one is a view.
        """
        if self.batch_size == 1:
            return patches[0][0][None], patches[0][1][None]
        short = self.batch_size - len(patches)
        filled = [*patches, *[patches[-1]] * short]
        return np.stack([data for data, _ in filled]), np.stack([valid for _, valid in filled])
