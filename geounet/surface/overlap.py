"""Which sheet counts where several have data: what a pixel costs each, and the least counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from geounet.errors import OptionError
from geounet.surface.dates import taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.surface.placed import Placed

Overlap = Literal["first", "newest", "centre"]
Cost = Callable[["Placed", "Window"], "NDArray[np.float64] | float"]
"""A sheet and a window of the surface → what each pixel costs; of equal ones the first counts."""


def cost_of(overlap: Overlap, sheets: Sequence[Placed]) -> Cost:
    """Return what a rule makes of sheets that are ordered by name.

    Raises:
        OptionError: `newest`, and nobody says when a sheet was taken.
    """
    if overlap == "centre":
        return from_centre
    order = list(range(len(sheets)))
    if overlap == "newest":
        dates = [taken(sheet.info) for sheet in sheets]
        undated = [sheet.path for sheet, date in zip(sheets, dates, strict=True) if not date]
        if undated:
            raise OptionError(
                f"{undated[0]}: does not say when it was taken ({len(undated)} of {len(sheets)} "
                "sheets; expected a STAC item beside it, or a date in its tags); choose "
                "--overlap centre or first"
            )
        order.sort(key=lambda at: -cast("datetime", dates[at]).timestamp())
    return Ranked({sheets[at].name: float(rank) for rank, at in enumerate(order)})


@dataclass(frozen=True)
class Ranked:
    """A cost that is the same at every pixel of a sheet."""

    ranks: Mapping[str, float]
    """By the sheet's name."""

    def __call__(self, sheet: Placed, window: Window) -> float:  # noqa: ARG002 - as every cost
        """Return what a sheet costs."""
        return self.ranks[sheet.name]


def from_centre(sheet: Placed, window: Window) -> NDArray[np.float64]:
    """Return the squared distance of each pixel from a sheet's centre, in pixels."""
    (top, bottom), (left, right) = window.toranges()
    down = np.arange(top, bottom) + 0.5 - sheet.centre[0]
    across = np.arange(left, right) + 0.5 - sheet.centre[1]
    distance: NDArray[np.float64] = np.square(down)[:, None] + np.square(across)
    return distance
