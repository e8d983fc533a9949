"""Write the pages of docs/ that follow from the code: `python reference`, or `--check` alone."""

from __future__ import annotations

import sys
from pathlib import Path

import commands
import faces
import recipes
import rooms

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    "reference/commands.md": commands.page,
    "reference/python.md": faces.page,
    "reference/recipes.md": recipes.page,
    "images/plan.svg": rooms.picture,
}
"""What is written, and what makes its text."""


def stale() -> list[str]:
    """Return the pages that no longer say what the code says."""
    return [
        name
        for name, make in PAGES.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text("utf-8") != make()
    ]


def main() -> int:
    """Write what has changed, or with `--check` only name it."""
    for name in (found := stale()):
        if "--check" not in sys.argv:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(PAGES[name](), "utf-8")
        sys.stdout.write(f"docs/{name}\n")
    return int(bool(found) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
