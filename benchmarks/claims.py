"""What the README claims of speed and memory, beside what this machine measures now.

    python benchmarks/claims.py            the quick forms, some minutes
    python benchmarks/claims.py --list     claims and commands, nothing is run
    python benchmarks/claims.py --full     the commands that gave the figures (hours, and data)
    python benchmarks/claims.py --only tracing memory

Figures stand in the README alone; claims.toml says which commands give them. Seconds differ from
machine to machine, ratios and megabytes should not.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from geounet.backends.machine import cpu_name, engine_versions

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_name("claims.toml")
PACKAGES = ("geounet", "numpy", "rasterio", "pyogrio", "shapely")


@dataclass(frozen=True)
class Claim:
    """A row of the README with what gives its figures."""

    row: str
    """How it begins."""
    commands: tuple[str, ...]
    """What gave its figures."""
    quick: tuple[str, ...] = ()
    """Smaller forms of them; none where there is no small form."""

    @property
    def told(self) -> str:
        """The whole row, with the figures that are claimed."""
        lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        (found,) = [line for line in lines if line.startswith(f"| {self.row}")]
        return found.strip("| ")


def claims() -> list[Claim]:
    """Return all claims."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))["claim"]
    return [
        Claim(**{name: v if name == "row" else tuple(v) for name, v in each.items()})
        for each in listed
    ]


def words_of(command: str) -> list[str]:
    """Return what is run for a line of the list: geounet itself, or a script."""
    first, *rest = shlex.split(command)
    if first == "geounet":
        return [sys.executable, "-m", "geounet.cli.main", *rest]
    return [sys.executable, str(ROOT / first), *rest]


def main() -> int:
    """Print claims and measurements in turn; return 1 when a command failed."""
    options = _options()
    machine = {name: version(name) for name in PACKAGES}
    machine |= {"cpu": cpu_name(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    print(json.dumps(machine | engine_versions()), flush=True)
    failed = 0
    for claim in claims():
        if options.only and not any(word in claim.row for word in options.only):
            continue
        print(f"\n## {claim.told}", flush=True)
        for command in claim.commands if options.full or options.list else claim.quick:
            print(f"$ {command}", flush=True)
            failed += 0 if options.list else _run(command)
        if not (claim.quick or options.full or options.list):
            print(f"(nothing quick; in full: {'; '.join(claim.commands)})")
    return 1 if failed else 0


def _run(command: str) -> bool:
    """Run a command, and say what it took; return whether it failed."""
    started, before = time.perf_counter(), os.times()
    code = subprocess.run(words_of(command), cwd=ROOT, check=False).returncode
    after, wall = os.times(), time.perf_counter() - started
    spent = sum(after[2:4]) - sum(before[2:4])
    print(f"= {wall:.1f} s, {spent:.1f} s of CPU, exit code {code}", flush=True)
    return code != 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="what gave the figures")
    parser.add_argument("--list", action="store_true", help="run nothing")
    parser.add_argument("--only", nargs="+", default=[], help="words of the rows that are wanted")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
