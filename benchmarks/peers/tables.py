"""Results as Markdown tables, and into a document between the marks that are there for them.

    python benchmarks/peers/tables.py RESULTS.jsonl --into docs/performance.md

Without `--into` they are printed.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

Line = dict[str, Any]

REFERENCE = {"peers null": "block copy", "peers polygons": "geounet"}
"""What the others' CPU seconds are divided by."""

RATIOS = {"ratio": "cpu_s", "wall_ratio": "wall_s"}
"""Column of a ratio → the figure it is of."""

COLUMNS = {
    "peers null": {
        "tile": "tile", "halo": "halo", "batch": "batch", "cpu_s": "CPU s", "ratio": "× copy",
        "wall_s": "wall s", "process_cpu_s": "CPU s with imports", "peak_mb": "peak MB",
        "above_imports_mb": "above imports MB", "wrong_pixels": "wrong pixels", "note": "how",
    },
    "peers polygons": {
        "tile": "tile", "halo": "halo", "batch": "batch", "wall_s": "wall s",
        "wall_ratio": "× geounet", "process_wall_s": "wall s with imports",
        "cpu_s": "CPU s", "ratio": "× geounet (CPU)", "peak_mb": "peak MB",
        "polygons": "polygons", "iou": "IoU with geounet", "note": "how",
    },
}  # fmt: skip
"""Of each benchmark: figure of a run → heading."""


def main() -> None:
    """Print the tables of result files, or put them into a document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, help="a document with <!-- NAME --> marks")
    asked = parser.parse_args()
    lines = [json.loads(text) for path in asked.results for text in path.read_text().splitlines()]
    tables = {name: table_of(lines, name) for name in COLUMNS if _runs(lines, name)}
    if asked.into is None:
        print("\n\n".join(tables.values()))
        return
    text = asked.into.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = filled(text, name, table)
    asked.into.write_text(text, encoding="utf-8")


def filled(text: str, name: str, table: str) -> str:
    """Return a document with a table between `<!-- NAME -->` and `<!-- end -->`."""
    marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert marks.search(text), f"no mark <!-- {name} --> in the document"
    return marks.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text)


def table_of(lines: list[Line], name: str) -> str:
    """Return machine and medians of one benchmark; the last machine's runs count."""
    runs, machine = _runs(lines, name), _machine(lines, name)
    groups: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for run in runs:
        groups[run["contestant"], run["tile"], run["batch"]].append(run)
    reference = next((each for key, each in groups.items() if key[0] == REFERENCE[name]), runs[:1])
    rows = [_row(key, each, reference, COLUMNS[name]) for key, each in groups.items()]
    head = ["", *COLUMNS[name].values()]
    table = [head, ["---"] * len(head), *rows]
    versions = sorted({f"{k} {v}" for run in runs for k, v in run.get("versions", {}).items()})
    said = ", ".join(f"{key} {value}" for key, value in machine.items() if key != "benchmark")
    body = "\n".join("| " + " | ".join(row) + " |" for row in table)
    rounds = max(len(each) for each in groups.values())
    return f"{body}\n\nMedians of {rounds} rounds; {said}; {', '.join(versions)}."


def _row(
    key: tuple[Any, ...], runs: list[Line], reference: list[Line], columns: dict[str, str]
) -> list[str]:
    good = [run for run in runs if "failed" not in run]
    if not good:
        reason = runs[-1]["failed"].replace("|", "/")
        return [str(key[0]), *["–"] * (len(columns) - 1), f"did not run: {reason}"]
    figures = {name: _median(good, name) for name in columns}
    base = {run["round"]: run for run in reference if "failed" not in run}
    for ratio, figure in RATIOS.items():
        if ratio in columns:
            parts = [r[figure] / base[r["round"]][figure] for r in good if r["round"] in base]
            figures[ratio] = f"{median(parts):.2f}" if parts else "–"
    return [str(key[0]), *map(str, figures.values())]


def _median(runs: list[Line], name: str) -> str:
    values = [run[name] for run in runs if name in run]
    if not values:
        return "–"
    if not isinstance(values[0], int | float):
        return str(values[-1])
    value = median(values)
    return f"{value:.4g}" if name.endswith("_s") else f"{value:g}"


def _runs(lines: list[Line], name: str) -> list[Line]:
    """Runs after the last line of a machine."""
    starts = [at for at, line in enumerate(lines) if _is_machine(line, name)]
    after = lines[starts[-1] :] if starts else []
    return [line for line in after if line["benchmark"] == name and "contestant" in line]


def _machine(lines: list[Line], name: str) -> Line:
    return next(line for line in reversed(lines) if _is_machine(line, name))


def _is_machine(line: Line, name: str) -> bool:
    return line["benchmark"] == name and "machine" in line


if __name__ == "__main__":
    main()
