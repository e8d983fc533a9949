"""Pieces of Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; columns that are empty throughout are left out."""
    filled = [list(map(cell, row)) for row in rows]
    kept = [at for at in range(len(head)) if any(row[at] for row in filled)]
    lines = ([row[at] for at in kept] for row in ([*head], ["---"] * len(head), *filled))
    return ["", *(f"| {' | '.join(line)} |" for line in lines), ""] if filled else []


def cell(text: str) -> str:
    """Return text on one line, its bars kept from ending the cell."""
    return re.sub(r"\s+", " ", text).strip().replace("|", r"\|")


def join(lines: Iterable[str]) -> str:
    """Return a page: never two empty lines, one newline at its end."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
