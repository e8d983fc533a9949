"""The page to explore clusters with: one file, no network, pictures and all."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.embeddings.colours import COLOURS, NOISE
from geounet.embeddings.plots import plots
from geounet.page.frame import Frame, framed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.embeddings.plots import Shown

NO_PICTURE = "data:image/svg+xml;base64," + b64encode(
    b'<svg xmlns="http://www.w3.org/2000/svg" width="96" height="40"><text x="48" y="24" '
    b'text-anchor="middle" font-size="11" font-family="sans-serif" fill="#888">no picture</text>'
    b"</svg>"
).decode("ascii")
"""Stands for the picture of an item that has none in the page."""

_STEPS = 256
_MOST_GROUPS = 10


@dataclass(frozen=True, kw_only=True)
class Colouring:
    """One way to colour the items."""

    name: str
    """What the reader chooses."""
    codes: Sequence[int]
    """Of each item, a place in the colours."""
    colours: Sequence[str]
    """As the codes count them."""
    labels: Sequence[str] = ()
    """Of each colour, where they are groups."""
    ends: tuple[str, str] | None = None
    """Least and most, where they are a range."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the page says."""

    title: str
    """Of the page."""
    about: str
    """One sentence below it."""
    figures: Mapping[str, str]
    """Headline numbers by what they are."""
    notes: Sequence[str]
    """Sentences on what is shown, and what is left out."""
    charts: Mapping[str, bytes]
    """PNGs by what they show."""
    software: str
    """What made the page."""


def write_scatter(path: Path, shown: Shown, colourings: Sequence[Colouring], words: Words) -> None:
    """Write one HTML file that needs no network.

    Args:
        path: `.html` to write; hand in a staged path.
        shown: the items.
        colourings: the first is in force when the page opens.
        words: everything else.
    """
    from bokeh.core.json_encoder import serialize_json  # noqa: PLC0415
    from bokeh.resources import Resources  # noqa: PLC0415 - optional, and half a second

    document = plots(shown)
    names = [str(root.name) for root in document.roots]
    data = {
        "document": json.loads(serialize_json(document.to_json())),
        "roots": {root.id: root.name for root in document.roots},
        "colourings": [vars(each) for each in colourings],
        "columns": ["id", "cluster", "silhouette", *shown.told],
    }
    library = (
        Resources(mode="inline", components=["bokeh"]).js_raw[0].replace("</script", "<\\/script")
    )
    main = Template(_file("scatter.html")).substitute(
        figures="\n".join(
            f"  <div><b>{escape(value)}</b><span>{escape(name)}</span></div>"
            for name, value in words.figures.items()
        ),
        plots="\n".join(
            f'  <div class="plot" id="{name}"></div>' for name in names if name != "map"
        ),
        map='<div class="plot" id="map"></div>' if "map" in names else "",
        options="".join(f"<option>{escape(each.name)}</option>" for each in colourings),
        notes="\n".join(f"  <li>{escape(each)}</li>" for each in words.notes),
        charts="\n".join(_chart(name, png) for name, png in words.charts.items()),
    )
    title = escape(words.title)
    frame = Frame(
        title=f"{title} – clusters",
        kicker="Clusters",
        name=title,
        about=escape(words.about),
        software=escape(words.software),
        main=main,
        style=_file("scatter.css"),
        sources="img-src data: blob:; font-src data:",
        data=data,
        scripts=[library, _file("scatter.js")],
    )
    path.write_text(framed(frame), encoding="utf-8", newline="\n")


def groups(name: str, values: Sequence[str], colours: Mapping[str, str] | None = None) -> Colouring:
    """Return a colouring of texts: the most frequent have colours, the others are grey.

    Args:
        name: what the reader chooses.
        values: of each item.
        colours: of each text, in the order of the legend; None = by frequency.
    """
    kinds, codes, counts = np.unique(np.array(values, str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    if colours is None:
        first = [str(kinds[at]) for at in order[:_MOST_GROUPS]]
        colours = dict(zip(first, COLOURS, strict=False))
    place = {kind: at for at, kind in enumerate(colours)}
    others = [str(kind) for kind in kinds if str(kind) not in place]
    places = np.array([place.get(str(kind), len(place)) for kind in kinds])
    return Colouring(
        name=name,
        codes=places[codes].tolist(),
        colours=[*colours.values(), NOISE] if others else [*colours.values()],
        labels=[*colours, f"{len(others)} others"] if others else [*colours],
    )


def scale(name: str, values: NDArray[np.floating[Any]]) -> Colouring:
    """Return a colouring of numbers, from dark (least) to bright; grey where there is none."""
    from bokeh.palettes import Viridis256  # noqa: PLC0415

    known = np.isfinite(values)
    low, high = (values[known].min(), values[known].max()) if known.any() else (0, 0)
    shares = (values - low) / ((high - low) or 1)
    codes = np.where(known, np.nan_to_num(shares) * (_STEPS - 1), _STEPS).round().astype(int)
    return Colouring(
        name=name,
        codes=codes.tolist(),
        colours=[*Viridis256, NOISE],
        ends=(f"{low:.3g}", f"{high:.3g}"),
    )


def _chart(name: str, png: bytes) -> str:
    uri = f"data:image/png;base64,{b64encode(png).decode('ascii')}"
    return f'  <figure><img src="{uri}" alt="{escape(name)}"></figure>'


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
