"""What becomes a row: outlines with what is known of the pixels they are drawn around."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.footprints.rings import Footprints


@dataclass(frozen=True, kw_only=True)
class Outlined:
    """Outlines in pixels, one a footprint."""

    polygons: NDArray[np.object_]
    """`(footprints,)` x = col, y = row."""
    regularized: NDArray[np.bool_]
    """`(footprints,)` whether they are right-angled."""
    class_index: NDArray[np.uint8]
    """`(footprints,)` 0-based class."""
    confidence: NDArray[np.float64]
    """`(footprints,)` mean probability, not a number for a plain mask."""
    touches_edge: NDArray[np.bool_]
    """`(footprints,)` True = at the raster's edge or 4-adjacent to nodata."""

    def __len__(self) -> int:
        """Return the number of footprints."""
        return len(self.polygons)

    @classmethod
    def of(
        cls, batch: Footprints, polygons: NDArray[np.object_], regularized: NDArray[np.bool_]
    ) -> Outlined:
        """Return one outline for each polygon of a batch."""
        return cls(
            polygons=polygons,
            regularized=regularized,
            class_index=batch.class_index,
            confidence=batch.confidence,
            touches_edge=batch.touches_edge,
        )

    def take(self, order: NDArray[np.int64]) -> Outlined:
        """Return the footprints at some indices, in that order."""
        return Outlined(**{each.name: getattr(self, each.name)[order] for each in fields(self)})

    @classmethod
    def chained(cls, parts: Sequence[Outlined]) -> Outlined:
        """Return several batches as one; at least one."""
        names = [each.name for each in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})
