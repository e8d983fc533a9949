"""Layers of a QGIS project, and how QGIS writes what draws a raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pyproj import CRS

WARM = (
    (0.0, "#fff7bc", 0),
    (0.25, "#fec44f", 110),
    (0.5, "#ec7014", 180),
    (1.0, "#7f2704", 230),
)
"""Probability → colour and alpha; none of them is like the blues of the footprints."""

CUT = (0.02, 0.98)
"""Shares of the pixels in view that are black and white where pixels are no bytes."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of a project."""

    name: str
    """What the user sees."""
    source: str
    """Path, or GDAL's name of something remote."""
    kind: Literal["vector", "raster"]
    """What QGIS makes of it."""
    crs: CRS | None
    """Of its coordinates."""
    look: ET.Element | None
    """A `renderer-v2` or a `pipe`; None: QGIS chooses."""
    table: str | None = None
    """Which layer of the file, where it holds several."""
    visible: bool = True
    """Whether it is drawn when the project opens."""

    @property
    def provider(self) -> str:
        """Name of what reads it in QGIS."""
        return "ogr" if self.kind == "vector" else "gdal"


def colours(bands: Sequence[int]) -> ET.Element:
    """Return what draws three bands as red, green and blue, or one as grey, by what is in view."""
    names = ("red", "green", "blue") if len(bands) > 1 else ("grayBand",)
    if len(bands) > 1:
        named = {f"{name}Band": str(band) for name, band in zip(names, bands, strict=True)}
        pipe, renderer = _pipe("multibandcolor", named)
    else:
        pipe, renderer = _pipe("singlebandgray", {"grayBand": str(bands[0])})
        ET.SubElement(renderer, "contrastEnhancement")
    origin = ET.SubElement(renderer, "minMaxOrigin")
    lower, upper = CUT
    settings = {
        "limits": "CumulativeCut",
        "extent": "UpdatedCanvas",
        "statAccuracy": "Estimated",
        "cumulativeCutLower": str(lower),
        "cumulativeCutUpper": str(upper),
    }
    for key, value in settings.items():
        ET.SubElement(origin, key).text = value
    for name in names if len(bands) > 1 else ():
        enhancement = ET.SubElement(renderer, f"{name}ContrastEnhancement")
        ET.SubElement(enhancement, "algorithm").text = "StretchToMinimumMaximum"
    return pipe


def ramp(band: int, stops: Iterable[tuple[float, str, int]] = WARM) -> ET.Element:
    """Return what draws the numbers 0-1 of a band along a ramp of (value, colour, alpha)."""
    pipe, renderer = _pipe("singlebandpseudocolor", {"band": str(band)})
    shader = ET.SubElement(
        ET.SubElement(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="1",
        clip="0",
        minimumValue="0",
        maximumValue="1",
    )
    for value, colour, alpha in stops:
        _item(shader, "item", f"{value:g}", colour, alpha, f"{value:g}")
    return pipe


def palette(entries: Mapping[int, tuple[str, tuple[int, int, int, int]]]) -> ET.Element:
    """Return what draws a band of classes: number → label; red, green, blue, alpha."""
    pipe, renderer = _pipe("paletted", {"band": "1"})
    known = ET.SubElement(renderer, "colorPalette")
    for value, (label, (red, green, blue, alpha)) in entries.items():
        _item(known, "paletteEntry", str(value), f"#{red:02x}{green:02x}{blue:02x}", alpha, label)
    return pipe


def _pipe(kind: str, settings: Mapping[str, str]) -> tuple[ET.Element, ET.Element]:
    pipe = ET.Element("pipe")
    attributes = {"type": kind, "opacity": "1", "alphaBand": "-1", "nodataColor": "", **settings}
    return pipe, ET.SubElement(pipe, "rasterrenderer", attributes)


def _item(parent: ET.Element, tag: str, value: str, colour: str, alpha: int, label: str) -> None:
    settings = {"value": value, "color": colour, "alpha": str(alpha), "label": label}
    ET.SubElement(parent, tag, settings)
