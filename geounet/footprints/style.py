"""How QGIS shows our layers: QML with rules, for QGIS 3.22 and later.

Blues run from pale (unsure) to dark (sure) and stay in order for every kind of colour vision;
footprints to look at first carry an outline in vermilion, which none of the blues resembles.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

BLUES = ("#deebf7", "#b3d0e8", "#7fb2d8", "#4a8cc0", "#20639f", "#08326b")
"""Fill by confidence, least first."""

STEPS = (0.6, 0.7, 0.8, 0.9, 0.95)
"""Confidence at which the next blue starts."""

QGIS = "3.22.0"
"""Oldest version that is written for."""

OUTLINE = "#10233f"
VERMILION = "#d55e00"
GREY = "#8c8c8c"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One entry of the legend; a feature is drawn by every rule that it meets."""

    label: str
    """Text in the legend."""
    filter: str
    """QGIS expression."""
    fill: str | None
    """Colour #rrggbb, None for an outline only."""
    outline: str
    """Colour #rrggbb."""
    width_mm: float = 0.15
    """Width of the outline."""
    opacity: float = 0.65
    """0-1, of the fill."""


def buildings_style() -> str:
    """Return the QML of the footprints."""
    return qml(buildings_rules())


def coverage_style() -> str:
    """Return the QML of the coverage."""
    return qml(coverage_rules())


def buildings_rules() -> list[Rule]:
    """Return how footprints are drawn: blue by confidence, those to review outlined."""
    ends = [*STEPS, None]
    rules = [
        Rule(
            label=f"confidence {start:g}-{end:g}" if end else f"confidence from {start:g}",
            filter=f'"confidence" >= {start:g}' + (f' AND "confidence" < {end:g}' if end else ""),
            fill=fill,
            outline=OUTLINE,
        )
        for start, end, fill in zip([0.0, *STEPS], ends, BLUES, strict=True)
    ]
    unknown = Rule(
        label="confidence unknown", filter='"confidence" IS NULL', fill=BLUES[3], outline=OUTLINE
    )
    review = Rule(
        label="to review", filter='"review" = 1', fill=None, outline=VERMILION, width_mm=0.4
    )
    return [*rules, unknown, review]


def coverage_rules() -> list[Rule]:
    """Return how the coverage is drawn: predicted as an outline, what is missing filled."""
    looks = {"predicted": (None, GREY), "nodata": (GREY, GREY), "failed": (VERMILION, VERMILION)}
    return [
        Rule(
            label=status,
            filter=f"\"status\" = '{status}'",
            fill=fill,
            outline=outline,
            opacity=0.4,
        )
        for status, (fill, outline) in looks.items()
    ]


def qml(rules: list[Rule]) -> str:
    """Return a QML document (Symbology only) that draws polygons by rules."""
    root = ET.Element("qgis", version=QGIS, styleCategories="Symbology")
    root.append(renderer(rules))
    ET.SubElement(root, "layerGeometryType").text = "2"
    ET.indent(root)
    return "<!DOCTYPE qgis>\n" + ET.tostring(root, encoding="unicode") + "\n"


def renderer(rules: list[Rule]) -> ET.Element:
    """Return what draws polygons by rules."""
    attributes = {"type": "RuleRenderer", "forceraster": "0", "symbollevels": "0"}
    renderer = ET.Element("renderer-v2", attributes)
    tree = ET.SubElement(renderer, "rules", key="{geounet}")
    symbols = ET.SubElement(renderer, "symbols")
    for number, rule in enumerate(rules):
        key = {"key": f"{{geounet-{number}}}", "symbol": str(number)}
        ET.SubElement(tree, "rule", key, label=rule.label, filter=rule.filter)
        symbols.append(_symbol(rule, str(number)))
    return renderer


def _symbol(rule: Rule, name: str) -> ET.Element:
    symbol = ET.Element("symbol", type="fill", name=name, alpha="1", clip_to_extent="1")
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0"})
    values = {
        "color": _rgba(rule.fill or rule.outline, rule.opacity),
        "style": "solid" if rule.fill else "no",
        "outline_color": _rgba(rule.outline, 1),
        "outline_style": "solid",
        "outline_width": str(rule.width_mm),
        "outline_width_unit": "MM",
        "joinstyle": "miter",
    }
    options = ET.SubElement(layer, "Option", type="Map")  # read from QGIS 3.20 on
    for key, value in values.items():
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    for key, value in values.items():  # read by older ones
        ET.SubElement(layer, "prop", k=key, v=value)
    return symbol


def _rgba(colour: str, opacity: float) -> str:
    red, green, blue = bytes.fromhex(colour[1:])
    return f"{red},{green},{blue},{round(255 * opacity)}"
