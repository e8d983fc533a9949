"""What a user may ask of a damage map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geounet.errors import OptionError
from geounet.prepare import InferenceOptions

if TYPE_CHECKING:
    from pathlib import Path

PREDICT = "predict"
"""Instead of a file of buildings: those the model finds."""


@dataclass(frozen=True, kw_only=True)
class DamageOptions(InferenceOptions):
    """What a user may ask of a damage map; `gsd` None takes that of the coarser image."""

    gsd: float | None = None  # type: ignore[assignment]
    """Ground sample distance that both images are looked at, metres."""
    pre: str | Path | None = None
    """An image from before; None = clusters of the later image alone."""
    buildings: str | Path = PREDICT
    """Vector file in any CRS, or `predict`: those the model finds, on the earlier image."""
    labels: Path | None = None
    """A few graded buildings, by id or by place."""
    label_by: str | None = None
    """Column of the grades; None = the first that is known."""
    cell: float = 50.0
    """Edge of a tile, metres."""
    k: int | None = None
    """Number of clusters of buildings; None = chosen."""
    seed: int = 0
    """Of chance."""
    overwrite: bool = False
    """Replace outputs that exist."""

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not 0 < self.cell < np.inf:
            raise OptionError(f"--cell must be above 0 metres, got {self.cell:g}; try 50")
