"""The documents as data: every page, its fenced blocks, and what each line of shell is."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(ROOT / name / "README.md" for name in ("benchmarks", "sample_data")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
SHELL = {"sh", "console"}
FENCE = re.compile(
    r"(?:^<!-- not run \((?P<kind>\w+)\): (?P<reason>[^\n]+) -->\n)?"
    r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Line:
    """A command a page tells its reader to type."""

    text: str
    """The command on one line, without the prompt."""
    shown: tuple[str, ...] = ()
    """What the page says it prints (blocks of the kind `console`)."""

    @property
    def words(self):
        """The command as a shell would part it."""
        return shlex.split(self.text, comments=True)


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    page: Path
    language: str
    text: str
    kind: str | None
    """Why its lines are not run, one of the kinds in test_shell_lines.py; None: they are."""
    reason: str | None

    @property
    def lines(self):
        """The commands of a block of shell."""
        text = re.sub(r"\\\n\s*", "", self.text)
        if self.language == "sh":
            found = (line.strip() for line in text.splitlines())
            return [Line(line) for line in found if line and not line.startswith("#")]
        told = re.split(r"^\$ ", text, flags=re.MULTILINE)
        assert not told[0].strip(), f"{self.page.name}: console begins with {told[0]!r}, not '$ '"
        parted = (each.splitlines() for each in told[1:])
        return [Line(first, tuple(filter(None, rest))) for first, *rest in parted]


def blocks(page):
    """Return the fenced blocks of a page in their order."""
    return [Block(page, **each.groupdict()) for each in FENCE.finditer(page.read_text("utf-8"))]


def name_of(page):
    """Return a page's path within the project, as an id of tests."""
    return page.relative_to(ROOT).as_posix()
