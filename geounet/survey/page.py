"""The page of a survey: what failed and why, what came out of the rest."""

from __future__ import annotations

import os
from base64 import b64encode
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from geounet.survey.picture import picture_beside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geounet.survey.work import Outcome

PICTURED = 240
"""Scenes that are shown with their picture; of more, every so many-th is."""


def page(folder: Path, outcomes: Sequence[Outcome], facts: Mapping[str, Any]) -> str:
    """Return one HTML file that needs no network; files of the survey are linked.

    Args:
        folder: of the survey.
        outcomes: one a scene.
        facts: `model`, `seconds` of this run, and `waiting`, scenes that had no turn.
    """
    failed = [each for each in outcomes if each.error is not None]
    good = [each for each in outcomes if each.out is not None]
    shown = good[:: -(-len(good) // PICTURED)] if good else []
    style, template = (_file(f"page.{kind}") for kind in ("css", "html"))
    return Template(template).substitute(
        title=escape(folder.absolute().name),
        style=style,
        state=_state(len(failed), int(facts["waiting"])),
        about=escape(_about(facts)),
        figures=_figures(outcomes, failed, int(facts["waiting"])),
        failed=_failures(failed, folder),
        cards="".join(_card(each, folder) for each in shown),
        note="" if len(shown) == len(good) else f"{len(shown):,} of {len(good):,} are shown",
        rows="".join(_row(each, folder) for each in outcomes),
        count=f"{len(outcomes):,}",
        some="" if shown else "hidden",
    )


def _state(failed: int, waiting: int) -> str:
    if waiting:
        return "Stopped"
    return "Done, but for some" if failed else "Done"


def _about(facts: Mapping[str, Any]) -> str:
    return f"{facts['model']}, {facts['software']}; the last run took {_time(facts['seconds'])}"


def _figures(outcomes: Sequence[Outcome], failed: Sequence[Outcome], waiting: int) -> str:
    done = sum(each.out is not None for each in outcomes)
    outside = len(outcomes) - len(failed) - done
    found = sum(each.footprints for each in outcomes)
    spent = sum(each.seconds for each in outcomes)
    figures = [
        (f"{done:,}", "scenes done", ""),
        *([(f"{outside:,}", "outside the area", "")] if outside else []),
        (f"{len(failed):,}", "scenes failed", "bad" if failed else ""),
        *([(f"{waiting:,}", "scenes had no turn", "bad")] if waiting else []),
        (f"{found:,}", "footprints", ""),
        (_time(spent), "of work", ""),
    ]
    return "".join(
        f'<div class="{kind}"><b>{number}</b><span>{word}</span></div>'
        for number, word, kind in figures
    )


def _failures(failed: Sequence[Outcome], folder: Path) -> str:
    if not failed:
        return ""
    rows = "".join(
        f"<tr><td>{_link(each.raster, folder, each.name)}</td>"
        f"<td>{escape(_without(str(each.error), each.raster))}</td></tr>"
        for each in failed
    )
    return (
        f'<section class="failed"><h2>Failed</h2><div class="wide"><table><thead><tr><th>Scene</th>'
        f"<th>Why</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _without(error: str, raster: str) -> str:
    """The reason without the path that stands beside it."""
    return error.removeprefix(f"{raster}: ")


def _card(outcome: Outcome, folder: Path) -> str:
    assert outcome.out is not None
    path = picture_beside(Path(outcome.out))
    image = '<div class="none"></div>'
    if path.exists():
        data = b64encode(path.read_bytes()).decode("ascii")
        image = f'<img alt="" src="data:image/jpeg;base64,{data}">'
    link = _link(outcome.out, folder, outcome.name)
    return f"<figure>{image}<figcaption>{link}<span>{_count(outcome)}</span></figcaption></figure>"


def _row(outcome: Outcome, folder: Path) -> str:
    files = list((outcome.result or {}).get("out", []))
    links = " ".join(_link(file, folder, Path(file).suffix[1:]) for file in files)
    kind = ' class="bad"' if outcome.error else ""
    cells = (
        _link(outcome.raster, folder, outcome.name),
        "failed" if outcome.error else f"{outcome.footprints:,}" if outcome.out else "outside",
        f"{outcome.seconds:.1f}",
        links,
    )
    return f"<tr{kind}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _count(outcome: Outcome) -> str:
    noun = "footprint" if outcome.footprints == 1 else "footprints"
    return f"{outcome.footprints:,} {noun}"


def _link(file: str, folder: Path, word: str) -> str:
    """A link that holds as long as both lie where they lie to each other."""
    if "://" in file:
        return f'<a href="{escape(file)}">{escape(word)}</a>'
    try:
        target = quote(Path(os.path.relpath(file, folder)).as_posix())
    except ValueError:  # on another drive
        target = Path(file).absolute().as_uri()
    return f'<a href="{target}" title="{escape(file)}">{escape(word)}</a>'


def _time(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"  # noqa: PLR2004


def _file(name: str) -> str:
    return resources.files("geounet.survey").joinpath(name).read_text(encoding="utf-8")
