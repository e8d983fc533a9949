"""Rules of the house: what keeps it small enough to live in."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for room in ("geounet", "cli")
    for path in sorted((ROOT / room).rglob("*.py"))
}
TREES = {name: ast.parse(text) for name, text in FILES.items()}
LONGEST_FILE, LONGEST_FUNCTION = 300, 60


@pytest.mark.parametrize("name", FILES)
def test_a_file_fits_in_a_head(name):
    """None is excused."""
    assert len(FILES[name].splitlines()) <= LONGEST_FILE


def test_a_function_fits_on_a_screen():
    """Its docstring counts."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{name}: {node.name}"


MODULES = {name[:-3].replace("/", ".").removesuffix(".__init__"): name for name in FILES}


def at_once(tree):
    """The modules of ours that one imports as soon as it is imported."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def test_no_module_waits_for_itself():
    """Imports run in no circle, inside a room either."""
    graph = {
        module: {each for each in at_once(TREES[file]) if each in MODULES}
        for module, file in MODULES.items()
        if module != "geounet"  # the face hands names on when they are asked for
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


def options_of(tree):
    """The fields of every dataclass of options."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith("Options"):
            for part in node.body:
                if isinstance(part, ast.AnnAssign):
                    yield node.name, part.target.id


def test_no_option_is_idle():
    """What a user may set is looked at somewhere, by its name."""
    text = "\n".join(FILES.values())
    for name, tree in TREES.items():
        for kind, option in options_of(tree):
            assert re.search(rf"\.{option}\b|[\"']{option}[\"']", text), f"{name}: {kind}.{option}"


def test_no_name_is_left_over():
    """A function or class that is made is used, by its own module or another, or offered."""
    used = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                used.update(alias.name for alias in node.names)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.update(re.findall(r"\w+", node.value) if len(node.value) < 99 else ())
    for name, tree in TREES.items():
        made = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        plain = [n.name for n in made if not n.name.startswith("__")]
        commands = [
            n.name for n in made if any("command" in ast.unparse(d) for d in n.decorator_list)
        ]
        assert not set(plain) - used - set(commands), name
