"""The parts of the page that change with the result, as escaped HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.footprints.table import UNSURE
from geounet.page import words
from geounet.page.charts import LEVELS, level_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geounet.page.shapes import Shapes
    from geounet.reader import RasterInfo

_LOOKS = 60
"""Rows of the table of first looks."""


@dataclass(frozen=True)
class Parts:
    """A result, and what the page says of it."""

    info: RasterInfo
    """Of the raster."""
    shapes: Shapes
    """Its footprints."""
    facts: Mapping[str, Any]
    """Provenance."""
    summary: Mapping[str, Any]
    """What was done."""
    share_valid: float
    """Share of the picture that has data, used when the summary does not count pixels."""
    scale: float = 1.0
    """Pixels of the raster per pixel of the picture."""
    sharp: int = 0
    """Places that are shown sharp besides."""

    @property
    def unit(self) -> str:
        """Unit of areas."""
        return "m²" if self.shapes.in_metres else "px"

    def html(self) -> dict[str, str]:
        """Return the parts by their names in the template."""
        return {
            "name": escape(self.info.path.name),
            "software": escape(str(self.facts.get("software", "geounet"))),
            "about": escape(self._about()),
            "figures": "\n".join(self._figures()),
            "legend": "\n".join(self._legend()),
            "found": "" if len(self.shapes) else "hidden",
            "first_words": escape(self._first_words()),
            "first": self._first(),
            "drawn_words": escape(self._drawn_words()),
            "area_words": f"{self.unit}, in steps of 1, 2, 5, 10",
            "skipped": "\n".join(f"<li>{escape(line)}</li>" for line in self._skipped()),
            "details": "\n".join(self._details()),
            "licence": self._licence(),
        }

    @property
    def _card(self) -> Mapping[str, Any]:
        card: Mapping[str, Any] = self.facts.get("model") or {}
        return card

    @property
    def _nodata(self) -> float:
        """Share of pixels without data."""
        pixels = self.summary.get("pixels")
        if pixels:
            return float(1 - self.summary.get("valid_pixels", pixels) / pixels)
        return 1 - self.share_valid

    @property
    def _seconds(self) -> float:
        spent: Mapping[str, float] = self.summary.get("seconds") or {}
        return spent.get("total", sum(spent.values())) or np.nan

    def _about(self) -> str:
        info = self.info
        gsd = "" if info.gsd is None else f"{info.gsd:.3g} m per pixel"
        crs = "no CRS: lengths are in pixels"
        if info.crs is not None:
            code = info.crs.to_authority()
            crs = f"{info.crs.name} ({':'.join(code)})" if code else info.crs.name
        model = f"model {self._card['name']}" if "name" in self._card else ""
        run = " ".join(
            str(self.summary[key]) for key in ("device", "precision") if key in self.summary
        )
        size = f"{info.width:,} × {info.height:,} px"
        return "  ·  ".join(filter(None, (size, gsd, crs, model, run)))

    def _figures(self) -> Iterator[str]:
        shapes = self.shapes
        total = float(np.nansum(shapes.area))
        built = words.area(total, in_metres=shapes.in_metres)
        known = shapes.confidence[np.isfinite(shapes.confidence)]
        mean = float(known.mean()) if len(known) else np.nan
        speed = float(
            self.summary.get("mpix_per_s", self._pixels / 1e6 / (self._seconds or np.nan))
        )
        pairs = (
            (f"{len(shapes):,}", _footprints(len(shapes))),
            (built, "built-up area"),
            (words.percent(mean), "mean confidence"),
            (words.percent(self._nodata), "without data"),
            (words.seconds(self._seconds), "from start to end"),
            (f"{words.number(speed, 2)} Mpx/s" if np.isfinite(speed) else "–", "speed"),
        )
        for value, name in pairs:
            head, space, unit = value.partition(" ")
            yield f"<div><b>{head}{space}<small>{unit}</small></b><span>{name}</span></div>"

    @property
    def _pixels(self) -> int:
        return int(self.summary.get("pixels") or self.info.height * self.info.width)

    def _legend(self) -> Iterator[str]:
        edges = [f"{100 * level:.0f}" for level in LEVELS]
        names = [
            f"&lt; {edges[0]} %",
            *(f"{a}–{b}" for a, b in pairwise(edges)),
        ]
        for at, name in enumerate([*names, f"≥ {edges[-1]} %"]):
            yield (
                f'<button type="button" data-level="{at}" aria-pressed="true" title="Confidence: '
                f'show or hide"><i class="c{at}"></i>{name}</button>'
            )

    def _first_words(self) -> str:
        marked = int(self.shapes.review.sum())
        listed = len(self.looks)
        if not len(self.shapes):
            return (
                "Nothing was found. If there are buildings, check the order of the bands, the "
                "range of the pixels and the threshold."
            )
        if not marked:
            return f"None is marked for review; the {listed} least sure are listed."
        rest = (
            f"; the {listed} least sure are listed" if listed < marked else ", the least sure first"
        )
        return f"{marked:,} of {len(self.shapes):,} are marked for review{rest}."

    @property
    def looks(self) -> list[int]:
        """Rows of the table, all of them drawn."""
        drawn = set(self.shapes.drawn.tolist())
        return [row for row in self.shapes.first_looks[:_LOOKS].tolist() if row in drawn]

    def _first(self) -> str:
        if not len(self.shapes):
            return ""
        head = f"<tr><th>Footprint</th><th>Sure</th><th>{self.unit}</th><th></th></tr>"
        body = "\n".join(self._row(row) for row in self.looks)
        return f"<table><thead>{head}</thead><tbody>\n{body}\n</tbody></table>"

    def _row(self, row: int) -> str:
        shapes, sure = self.shapes, float(self.shapes.confidence[row])
        colour = f"c{level_of(sure)}" if np.isfinite(sure) else "none"
        at = int(np.searchsorted(shapes.drawn, row))
        return (
            f'<tr data-at="{at}"><td><i class="{colour}"></i>#{shapes.id[row]}</td>'
            f"<td>{words.percent(sure)}</td><td>{words.number(float(shapes.area[row]))}</td>"
            f"<td>{self._why(row)}</td></tr>"
        )

    def _why(self, row: int) -> str:
        """What makes a footprint one to look at."""
        if not self.shapes.review[row]:
            return ""
        if self.shapes.touches_edge[row]:
            return "at an edge"
        return "unsure" if self.shapes.confidence[row] < UNSURE else "odd shape"

    def _drawn_words(self) -> str:
        shapes = self.shapes
        lines = ["Drag to move, turn the wheel to zoom, click a footprint for its figures."]
        if self.scale > 1:
            lines.append(f"A pixel of the scene stands for {self.scale:.3g} of the raster.")
        if self.sharp:
            lines.append(f"In full detail: the first {self.sharp} of the list.")
        if len(shapes.drawn) < len(shapes):
            lines.append(
                f"{len(shapes.drawn):,} of {len(shapes):,} footprints are drawn: those marked for "
                "review, then the largest. All figures and charts count every footprint."
            )
        if shapes.tolerance:
            lines.append(
                f"Outlines are drawn simplified by up to {shapes.tolerance:g} pixels; "
                "those of the file are not."
            )
        return " ".join(lines)

    def _skipped(self) -> Iterator[str]:
        yield self._skipped_pixels()
        yield from self._skipped_tiles()
        options = self.facts.get("options") or {}
        smallest = options.get("min_area")
        smallest = self._card.get("min_area_m2") if smallest is None else smallest
        if options.get("min_pixels"):
            yield f"Footprints below {options['min_pixels']:,} pixels were dropped."
        elif smallest and self.shapes.in_metres:
            yield f"Footprints below {smallest:g} m² were dropped."
        for failed in self.summary.get("failed") or ():
            yield f"Failed: {failed}"
        edge = int(self.shapes.touches_edge.sum())
        if edge:
            are, their = ("is", "its") if edge == 1 else ("are", "their")
            cut = f"{edge:,} {_footprints(edge)} {are} cut by an edge of the data"
            yield f"{cut}: {their} true size is not known."

    def _skipped_pixels(self) -> str:
        if not self._nodata > 0:
            return "Every pixel of the scene has data."
        count = ""
        if "valid_pixels" in self.summary:
            count = f" ({self._pixels - int(self.summary['valid_pixels']):,} pixels)"
        share = words.percent(self._nodata)
        return f"{share} of the scene{count} has no data; no footprint lies there."

    def _skipped_tiles(self) -> Iterator[str]:
        if "tiles" not in self.summary:
            return
        skipped = int(self.summary.get("tiles_skipped", 0))
        whole = f"{int(self.summary['tiles']) + skipped:,}"
        if skipped:
            yield f"{skipped:,} of {whole} tiles hold no data and did not go through the network."
        else:
            yield f"All {whole} tiles went through the network."

    def _details(self) -> Iterator[str]:
        known = ("model", "options", "input", "software")
        rest = {key: value for key, value in self.facts.items() if key not in known}
        name = self._card.get("name", "")
        sections = (
            ("Model card", name, self._card),
            ("Options in force", "", self.facts.get("options") or {}),
            ("Input", self.info.path.name, _mapping(self.facts.get("input"))),
            ("Run", "", {key: value for key, value in self.summary.items() if key != "out"}),
            ("More", "", rest),
        )
        for title, note, content in sections:
            if content:
                yield (
                    f"<details><summary>{title}<span>{escape(str(note))}</span></summary>"
                    f"{words.definitions(content)}</details>"
                )

    def _licence(self) -> str:
        card = self._card
        data = (card.get("training") or {}).get("data") or {}
        lines = []
        if card.get("licence"):
            lines.append(f"Model weights: {card['licence']}.")
        if data:
            named = _mapping(data)
            places = "; ".join(f"{place}: {said}" for place, said in named.items())
            lines.append(f"Trained on {places}.")
        return escape(" ".join(lines))


def _footprints(count: int) -> str:
    return "footprint" if count == 1 else "footprints"


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    return {} if value is None else {"": value}
