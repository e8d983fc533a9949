"""The imports of the code → a drawing of the house: who stands on whom, floor by floor."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOX, GAP, ROW, LEFT, WIDTH = 24, 36, 48, 170, 1200
INK, LINE, FILL, BAND = "#1f3b57", "#5b8db8", "#eaf2f9", ("#ffffff", "#f6f8fa")
Graph = dict[str, set[str]]
Places = dict[str, tuple[float, float]]


def picture() -> str:
    """Return docs/images/plan.svg: rooms on the floors that docs/architecture.md gives them."""
    floors, graph = floors_of(), reduced(imports_of())
    missing = set(graph) - {room for rooms in floors.values() for room in rooms}
    assert not missing, f"docs/architecture.md does not name the rooms {sorted(missing)}"
    places: Places = {}
    bands, y = [], 0
    for name, rooms in reversed(floors.items()):
        top = y
        for row in _rows([room for room in rooms if room in graph], graph):
            for line in _wrapped(_sorted(row, graph, places)):
                places |= _centred(line, y + 14)
                y += ROW
        bands.append((name, top, y))
    _point_down(graph, places)
    return _drawn(graph, places, bands, y)


def floors_of() -> dict[str, list[str]]:
    """Each floor of docs/architecture.md with the rooms it is the first to name."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    floors: dict[str, list[str]] = {}
    seen: set[str] = set()
    for name, rows in re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL):
        floors[name] = []
        for cell in re.findall(r"^\| (`[^|]+) \|", rows, re.MULTILINE):
            named = re.findall(r"`([\w.]+)`", cell)
            package = named[0].split(".")[0] if "." in named[0] else None
            fresh = dict.fromkeys(package or room for room in named)
            floors[name] += [room for room in fresh if room not in seen]
            seen |= set(fresh)
    return floors


@cache
def imports_of() -> Graph:
    """Return which room imports which; not for types alone."""
    graph: Graph = {}
    for path in sorted((ROOT / "geounet").rglob("*.py")):
        room = path.relative_to(ROOT / "geounet").with_suffix("").parts[0]
        if room != "__init__":
            graph.setdefault(room, set()).update(_imported(ast.parse(path.read_text("utf-8"))))
    return {room: (found & set(graph)) - {room} for room, found in graph.items()}


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return set()
    found = set()
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "geounet":
        names = [f"{node.module}.{each.name}" for each in node.names]
        found = {name.split(".")[1] for name in names}
    return found.union(*map(_imported, ast.iter_child_nodes(node)))


def reduced(graph: Graph) -> Graph:
    """Leave out imports that a longer way leads to as well."""

    @cache
    def below(room: str) -> frozenset[str]:
        return frozenset(graph[room]).union(*map(below, graph[room]))

    return {
        room: {each for each in found if not any(each in below(other) for other in found)}
        for room, found in graph.items()
    }


def _rows(rooms: list[str], graph: Graph) -> list[list[str]]:
    """The rooms of a floor, those that stand on others of it above them."""
    depth: dict[str, int] = {}

    def deep(room: str) -> int:
        below = [each for each in graph[room] if each in rooms]
        return depth.setdefault(room, 1 + max(map(deep, below), default=0))

    for room in rooms:
        deep(room)
    return [
        [r for r in rooms if depth[r] == level] for level in sorted({*depth.values()}, reverse=True)
    ]


def _sorted(row: list[str], graph: Graph, places: Places) -> list[str]:
    """A row in the order of the rooms above that use it, so that few lines cross."""

    def above(room: str) -> float:
        users = [places[each][0] for each in places if room in graph[each]]
        return sum(users) / len(users) if users else (LEFT + WIDTH) / 2

    return sorted(row, key=above)


def _wrapped(row: list[str]) -> list[list[str]]:
    lines: list[list[str]] = [[]]
    for room in row:
        if LEFT + sum(_width(each) + GAP for each in [*lines[-1], room]) > WIDTH:
            lines.append([])
        lines[-1].append(room)
    return lines


def _centred(line: list[str], y: int) -> Places:
    x = (LEFT + WIDTH - sum(_width(room) + GAP for room in line) + GAP) // 2
    places: Places = {}
    for room in line:
        places[room] = (x, y)
        x += _width(room) + GAP
    return places


def _width(room: str) -> int:
    return 18 + 8 * len(room)


def _point_down(graph: Graph, places: Places) -> None:
    for room, found in graph.items():
        for each in found:
            assert places[each][1] > places[room][1], f"{room} imports {each}, which is above it"


def _drawn(graph: Graph, places: Places, bands: list[tuple[str, int, int]], height: int) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        "<style>text { font-family: system-ui, sans-serif }</style>",
        "<title>Rooms of geounet; each line is an import, and each points down</title>",
    ]
    for at, (name, top, bottom) in enumerate(bands):
        colour = BAND[at % 2]
        lines.append(f'<rect y="{top}" width="100%" height="{bottom - top}" fill="{colour}"/>')
        for line, words in enumerate(name.split(": ")):
            place = f'x="14" y="{top + 30 + 17 * line}" font-size="{14 - 2 * line}"'
            lines.append(f'<text {place} fill="#57606a">{words}</text>')
    lines.append(f'<g fill="none" stroke="{LINE}" stroke-opacity=".45">')
    lines += [_edge(room, each, places) for room in places for each in sorted(graph[room])]
    lines.append(f'</g><g font-size="13" fill="{INK}" text-anchor="middle">')
    for room, (x, y) in places.items():
        box = f'<rect x="{x}" y="{y}" width="{_width(room)}" height="{BOX}" rx="4"'
        lines.append(f'{box} fill="{FILL}" stroke="{LINE}"/>')
        lines.append(f'<text x="{x + _width(room) / 2:g}" y="{y + 17}">{room}</text>')
    return "\n".join([*lines, "</g>", "</svg>", ""])


def _edge(room: str, below: str, places: Places) -> str:
    (x, y), (to_x, to_y) = places[room], places[below]
    x, to_x, y = x + _width(room) / 2, to_x + _width(below) / 2, y + BOX
    half = (y + to_y) / 2
    return f'<path d="M{x:g} {y:g}C{x:g} {half:g} {to_x:g} {half:g} {to_x:g} {to_y}"/>'
