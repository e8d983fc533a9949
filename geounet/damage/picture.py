"""The map of change as one picture: the later image, its tiles and buildings by change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.damage.layers import RAMP
from geounet.embeddings.colours import INK, QUIET, colour_of
from geounet.preview import preview

if TYPE_CHECKING:
    from pathlib import Path

    from geounet.damage.layers import Found
    from geounet.reader import Reader

_LONGEST = 1100
"""Longest edge of the image, pixels."""


def draw_change(path: Path, reader: Reader, buildings: Found, tiles: Found) -> None:
    """Draw the map beside the image it is of; clusters where nothing is known of change.

    Args:
        path: of the PNG.
        reader: of the later image.
        buildings: on it, in its CRS.
        tiles: likewise.
    """
    from matplotlib.collections import PolyCollection  # noqa: PLC0415 - optional
    from matplotlib.colors import ListedColormap, Normalize  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    shown = preview(reader, _LONGEST)
    height, width = shown.valid.shape
    edge = 6.0
    size = 2 * edge * min(1, width / height) + 1.2, edge * min(1, height / width) + 0.7
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    ramp, norm = ListedColormap(RAMP), Normalize(0, 1)
    for axes in (left, right):
        axes.imshow(shown.pixels, extent=(0, width, height, 0))
        axes.set_axis_off()
    left.set_title("Later image", fontsize=10, color=INK)
    known = buildings.change is not None
    right.set_title("Change" if known else "Clusters", fontsize=10, color=INK)
    for found, alpha, line in ((tiles, 0.55, 0.0), (buildings, 1.0, 0.4)):
        rings = _rings(found, reader, shown.scale)
        drawn = PolyCollection(
            rings, alpha=alpha, linewidths=line, edgecolors=INK if line else "none"
        )
        if found.change is None:
            drawn.set_facecolor([colour_of(int(each)) for each in found.cluster])
        else:
            drawn.set(array=found.change, cmap=ramp, norm=norm)
        right.add_collection(drawn, autolim=False)
    if known:
        bar = figure.colorbar(drawn, ax=right, shrink=0.6, pad=0.01)
        bar.set_label("change: 0 least, 1 most of the scene", fontsize=8, color=QUIET)
        bar.ax.tick_params(labelsize=8, colors=QUIET)
    figure.savefig(path)


def _rings(found: Found, reader: Reader, scale: float) -> list[np.ndarray]:
    """Outer rings in pixels of the picture."""
    inverse = ~reader.info.transform
    rings = []
    for ring in shapely.get_exterior_ring(found.shapes):
        x, y = shapely.get_coordinates(ring).T
        rings.append(np.stack(inverse @ (x, y), axis=1) / scale)
    return rings
