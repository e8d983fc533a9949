"""Numbers and nested facts as HTML words; everything that came from outside is escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePath
from typing import Any

_HECTARE = 10_000


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, thousands parted; a dash for none."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    whole = math.floor(math.log10(abs(value))) + 1
    return f"{value:,.{max(0, digits - whole)}f}"


def percent(share: float) -> str:
    """Return a share as a percentage: no 0 for something, no 100 for less than all."""
    if not math.isfinite(share):
        return "–"
    if 0 < share < 0.001:  # noqa: PLR2004 - what one decimal cannot show
        return "< 0.1 %"
    if share in {0, 1}:
        return f"{100 * share:.0f} %"
    return f"{100 * min(share, 0.999):.1f} %"


def seconds(spent: float) -> str:
    """Return a time in the unit it is spoken of."""
    if not math.isfinite(spent):
        return "–"
    if spent < 60:  # noqa: PLR2004
        return f"{number(spent, 2)} s"
    minutes, rest = divmod(round(spent), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def area(value: float, *, in_metres: bool) -> str:
    """Return an area: m², or hectares when large; pixels without metres."""
    if not in_metres:
        return f"{number(value)} px"
    return f"{number(value / _HECTARE)} ha" if value >= _HECTARE / 10 else f"{number(value)} m²"


def definitions(facts: Mapping[str, Any]) -> str:
    """Return nested facts as a list of terms."""
    items = (
        f"<dt>{escape(str(key).replace('_', ' '))}</dt><dd>{_value(value)}</dd>"
        for key, value in facts.items()
    )
    return f"<dl>{''.join(items)}</dl>"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return definitions(value) if value else "–"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_value, value)) or "–"
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return escape(f"{value:.6g}")
    return escape(value.name if isinstance(value, PurePath) else str(value))
