"""What became of a survey, in three files: lines of JSON, a table, and a page to look at."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from geounet.outputs import staged
from geounet.survey.page import page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from geounet.survey.work import Outcome

LINES, TABLE, PAGE = "report.jsonl", "report.csv", "report.html"
COLUMNS = ("raster", "out", "footprints", "seconds", "error")
"""What is told of each scene."""


def write_reports(folder: Path, outcomes: Sequence[Outcome], facts: dict[str, Any]) -> None:
    """Write all three, the page last.

    Args:
        folder: of the survey.
        outcomes: one a scene.
        facts: what the page tells beside.

    Raises:
        OutputError: one of them cannot be written.
    """
    write_lines(folder / LINES, outcomes)
    rows = [told(outcome) for outcome in outcomes]
    with staged(folder / TABLE) as table, table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with staged(folder / PAGE) as path:
        path.write_text(page(folder, outcomes, facts), encoding="utf-8", newline="\n")


def write_lines(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write a line of JSON a scene.

    Raises:
        OutputError: the file cannot be written.
    """
    with staged(path) as lines:
        text = "".join(f"{json.dumps(told(it), ensure_ascii=False)}\n" for it in outcomes)
        lines.write_text(text, encoding="utf-8")


def told(outcome: Outcome) -> dict[str, Any]:
    """Return a scene as the reports tell of it."""
    return {name: getattr(outcome, name) for name in COLUMNS}
