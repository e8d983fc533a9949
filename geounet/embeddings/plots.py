"""The plots of the page: three projections and a map of the same items, linked by their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geounet.embeddings.colours import INK, LINE, QUIET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.document import Document
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure
    from numpy.typing import NDArray
    from pyproj import CRS

    from geounet.embeddings.reduce import Projection

_HIGH = 350
_TOLD = 6
"""Further columns that are told of an item, at most."""

_DEGREE = 111_320
"""Metres, along a meridian."""

_SEEN = 0.012
"""Edge of an item as a share of the map from which its outline is drawn, not a dot."""

_HOVERED: dict[str, Any] = {
    "hover_line_color": INK,
    "hover_line_width": 2,
    "hover_fill_color": "colour",
    "hover_fill_alpha": 1,
}
_TOOLS = "pan,wheel_zoom,box_select,lasso_select,tap,reset"
_TIP = """
<div class="tip" style="width: 150px; font: 12px/1.35 system-ui, 'DejaVu Sans', sans-serif">
<img src="@picture" alt="" style="display: block; max-width: 150px; margin: 0 auto 5px">
<b>#@id</b> @cluster<br>silhouette @silhouette{0.00}<br>
"""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Items that are drawn, `m` of them."""

    columns: dict[str, Sequence[Any]]
    """What a plot or a download needs of each: `id`, `cluster`, `silhouette`, `picture`,
    `colour`, and on."""
    told: tuple[str, ...]
    """Columns that are told beside these when the mouse is over an item."""
    projections: tuple[Projection, ...]
    """Of these items, in the same order."""
    polygons: NDArray[np.object_] | None
    """Of these items; None = no map."""
    crs: CRS | None
    """Of the polygons."""


def plots(shown: Shown) -> Document:
    """Return a document whose roots are named `plot-1` … and, where there is one, `map`."""
    from bokeh.document import Document  # noqa: PLC0415 - optional, and half a second
    from bokeh.models import ColumnDataSource  # noqa: PLC0415

    columns: dict[str, Any] = dict(shown.columns)
    for number, projection in enumerate(shown.projections, 1):
        columns[f"x{number}"], columns[f"y{number}"] = projection.points.T.tolist()
    if shown.polygons is not None:
        columns |= _on_map(shown.polygons, shown.crs)
    items = ColumnDataSource(columns, name="items")
    drawn = [
        _scatter(shown, items, number, projection)
        for number, projection in enumerate(shown.projections, 1)
    ]
    if shown.polygons is not None:
        drawn.append(_map(shown, items))
    document = Document()
    for each in drawn:
        document.add_root(each)
    return document


def _scatter(shown: Shown, items: ColumnDataSource, number: int, projection: Projection) -> figure:
    title = f"{projection.name}  ·  trustworthiness {projection.trustworthiness:.2f}"
    plot = _plot(f"plot-{number}", title, shown)
    _dots(plot, items, f"x{number}", f"y{number}")
    plot.axis.visible = False
    return plot


def _map(shown: Shown, items: ColumnDataSource) -> figure:
    from bokeh.models.annotations.dimensional import Metric  # noqa: PLC0415
    from bokeh.models.annotations.legends import ScaleBar  # noqa: PLC0415

    plot = _plot("map", "Map", shown)
    plot.match_aspect = True
    plot.axis.visible = False
    data: Any = items.data
    ends = [max(map(max, data[axis])) - min(map(min, data[axis])) for axis in ("xs", "ys")]
    edges = np.sqrt(np.median(shapely.area(shown.polygons)))
    if _in_degrees(shown.crs):
        edges *= _DEGREE
    if edges < _SEEN * max(ends):
        _dots(plot, items, "x", "y")
    else:
        plot.patches(
            "xs", "ys", source=items, fill_color="colour", line_color="white", line_width=0.5,
            fill_alpha=0.9, nonselection_fill_alpha=0.15, nonselection_line_alpha=0.3,
            **_HOVERED,
        )  # fmt: skip
    if shown.crs is not None:
        metres = Metric(base_unit="m", exclude=["hm", "dam", "dm"])
        bar = ScaleBar(
            range=plot.x_range, unit="m", dimensional=metres, bar_length=0.15,
            location="bottom_left", border_line_color=None, background_fill_alpha=0.7,
            label_text_color=INK,
        )  # fmt: skip
        plot.add_layout(bar)
    return plot


def _dots(plot: figure, items: ColumnDataSource, x: str, y: str) -> None:
    count = len(items.data["id"])
    size = next(size for size, most in ((9, 400), (7, 1500), (5, np.inf)) if count <= most)
    plot.scatter(
        x, y, source=items, size=size, fill_color="colour", line_color="white", line_width=0.4,
        fill_alpha=0.85, nonselection_fill_alpha=0.1, nonselection_line_alpha=0.1,
        **_HOVERED,
    )  # fmt: skip


def _plot(name: str, title: str, shown: Shown) -> figure:
    from bokeh.models import HoverTool  # noqa: PLC0415
    from bokeh.plotting import figure  # noqa: PLC0415

    plot = figure(
        name=name, title=title, height=_HIGH, sizing_mode="stretch_width", tools=_TOOLS,
        active_drag="lasso_select", active_scroll="wheel_zoom", toolbar_location="right",
        output_backend="canvas", outline_line_color=LINE, lod_threshold=None,
    )  # fmt: skip
    told = "".join(f"{each}: @{{{each}}}<br>" for each in shown.told[:_TOLD])
    plot.add_tools(HoverTool(tooltips=f"{_TIP}{told}</div>", limit=1))
    plot.toolbar.logo = None
    plot.title.update(text_color=QUIET, text_font_size="13px", text_font_style="normal")  # type: ignore[union-attr]
    plot.title.text_font = "system-ui, 'DejaVu Sans', sans-serif"  # type: ignore[union-attr]
    plot.grid.grid_line_color = None
    plot.min_border = 4
    return plot


def _on_map(polygons: NDArray[np.object_], crs: CRS | None) -> dict[str, list[Any]]:
    """Return outlines and middles in metres (or units) from the middle of all."""
    left, low, right, high = shapely.total_bounds(polygons)
    middle = np.array([(left + right) / 2, (low + high) / 2])
    scale = np.ones(2)
    if _in_degrees(crs):
        scale = _DEGREE * np.array([np.cos(np.radians(middle[1])), 1.0])
    elif crs is not None:
        scale *= crs.axis_info[0].unit_conversion_factor
    placed = shapely.transform(polygons, lambda points: (points - middle) * scale)
    rings = [
        np.round(shapely.get_coordinates(shapely.get_exterior_ring(each)), 3) for each in placed
    ]
    points = shapely.get_coordinates(shapely.centroid(placed))
    return {
        "xs": [ring[:, 0].tolist() for ring in rings],
        "ys": [ring[:, 1].tolist() for ring in rings],
        "x": points[:, 0].tolist(),
        "y": points[:, 1].tolist(),
    }


def _in_degrees(crs: CRS | None) -> bool:
    return crs is not None and bool(crs.is_geographic)
