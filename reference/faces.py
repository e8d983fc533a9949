"""Docstrings → a page of the Python interface, read without importing what they document."""

from __future__ import annotations

import re
from pathlib import Path

import griffe
from prose import cell, join, table

from geounet import _ROOMS

HEAD = """# Python

```python
import geounet

result = geounet.predict("big.tif", "buildings.gpkg")
```

Written from the docstrings. The first part is the face: a dozen names, imported when they are
first asked for, so that `import geounet` costs no torch. Then come rooms that scripts have use for.
"""
LONG = 88
"""Characters of a signature that stay on one line."""
ROOMS = {
    "rle": ("Rle", "encode", "decode", "compress", "decompress", "pairs_to_rle"),
    "evaluate": ("evaluate", "EvaluateOptions"),
    "plan": ("PlanOptions",),
    "verify": ("verify", "Verdict", "Difference"),
    "masks": ("make_masks", "MasksOptions", "MasksResult"),
    "chips": ("make_chips", "ChipsOptions", "ChipsResult"),
    "embeddings.embed": ("tiles", "buildings", "EmbedOptions", "Batch"),
    "embeddings.flat": ("gram", "pca_from_gram"),
    "embeddings.clusters": ("cluster", "ClusterOptions", "Clusters"),
    "damage.job": ("assess", "Assessed"),
    "explain.job": ("explain", "Explained"),
    "networks.registry": ("build",),
    "errors": (
        "RasterError",
        "GridError",
        "AnnotationError",
        "ModelError",
        "OptionError",
        "OutputError",
    ),
}
"""Rooms beside the face, and what is shown of each."""


def page() -> str:
    """Return docs/reference/python.md."""
    root = Path(__file__).parents[1]
    geounet = griffe.load(
        "geounet", search_paths=[root], allow_inspection=False, docstring_parser="google"
    )
    lines = [HEAD, "## The face"]
    for name, room in sorted(_ROOMS.items(), key=lambda each: each[0].lower()):
        lines += _shown(geounet, room, name, f"geounet.{name}")
    for room, names in ROOMS.items():
        lines += [f"## `geounet.{room}`", "", _first(_find(geounet, room))]
        for name in names:
            lines += _shown(geounet, room, name, name)
    return join(lines)


def _find(geounet: griffe.Object | griffe.Alias, path: str) -> griffe.Object:
    found = geounet
    for part in path.split("."):
        found = found.members[part]
        found = found.final_target if isinstance(found, griffe.Alias) else found
    assert isinstance(found, griffe.Object)
    return found


def _shown(geounet: griffe.Object | griffe.Alias, room: str, name: str, title: str) -> list[str]:
    found = _find(geounet, f"{room}.{name}")
    body = _class(found) if isinstance(found, griffe.Class) else _signature(found, name)
    return ["", f"### `{title}`", "", _first(found), "", *body, *_sections(found)]


def _first(found: griffe.Object) -> str:
    """The text of a docstring, without its sections."""
    parts = found.docstring.parsed if found.docstring else []
    return "\n\n".join(
        part.value for part in parts if part.kind is griffe.DocstringSectionKind.text
    )


def _signature(found: griffe.Object, name: str) -> list[str]:
    assert isinstance(found, griffe.Function)
    parts, starred = [], False
    for each in found.parameters:
        if each.kind is griffe.ParameterKind.keyword_only and not starred:
            parts.append("*")
            starred = True
        default = "" if each.default is None else f" = {each.default}"
        parts.append(f"{each.name}: {each.annotation}{default}" if each.annotation else each.name)
    whole = f"{name}({', '.join(parts)}) -> {found.returns}"
    if len(whole) > LONG:
        whole = "\n".join(
            [f"{name}(", *(f"    {part}," for part in parts), f") -> {found.returns}"]
        )
    return ["```text", whole, "```"]


def _class(found: griffe.Class) -> list[str]:
    """Fields, those of its bases first, and public methods."""
    fields, methods = {}, {}
    for each in (*reversed(found.mro()), found):
        for name, member in each.members.items():
            if name.startswith("_") or isinstance(member, griffe.Alias):
                continue
            if isinstance(member, griffe.Attribute):
                fields[name] = (
                    f"`{name}`",
                    _code(member.annotation),
                    _default(member),
                    _words(member),
                )
            elif isinstance(member, griffe.Function):
                methods[name] = (f"`{name}()`", _words(member))
    shown = table(("field", "kind", "default", "meaning"), fields.values())
    return [*shown, *table(("method", "what it does"), methods.values())]


def _words(member: griffe.Object) -> str:
    return cell(_first(member)).replace(r"\|", "|")


def _default(member: griffe.Attribute) -> str:
    if "property" in member.labels:
        return "worked out"
    return _code(re.sub(r"field\(default_factory=(\w+)\)", r"\1()", _code(member.value).strip("`")))


def _code(value: object) -> str:
    return f"`{value}`" if value not in (None, "") else ""


def _sections(found: griffe.Object) -> list[str]:
    lines = []
    for part in found.docstring.parsed if found.docstring else ():
        if part.kind is griffe.DocstringSectionKind.parameters:
            rows = [(f"`{each.name}`", each.description) for each in part.value]
            lines += table(("argument", "meaning"), rows)
        elif part.kind is griffe.DocstringSectionKind.returns:
            told = " ".join(each.description for each in part.value)
            lines += ["", f"Returns: {cell(told)}"]
        elif part.kind is griffe.DocstringSectionKind.raises:
            rows = [(f"`{each.annotation}`", each.description) for each in part.value]
            lines += table(("raises", "when"), rows)
    return lines
