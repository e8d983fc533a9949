"""Which class a shape is of: the value of one of its attributes."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geounet.documents import checked, read_json, shown
from geounet.errors import AnnotationError
from geounet.outputs import staged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.annotations.shapes import Shape

NAMES = "classes.json"
"""File beside masks that says what their numbers stand for."""

MOST = 254
"""Classes of a mask at most: 0 is the background, 255 means no data."""


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The classes of labels; the background is none of them."""

    names: tuple[str, ...] = ()
    """Of class 1, 2 and so on; none where nobody named them: all that is labelled is one."""
    by: str | None = None
    """Attribute of a shape whose value is the name of its class; None: all are of class 1."""

    @property
    def several(self) -> bool:
        """Whether masks hold numbers of classes; else what is labelled is True."""
        return len(self.names) > 1

    def numbers(self, shapes: Sequence[Shape]) -> NDArray[np.uint8]:
        """Return the class of each shape, 0 of one that has none of them."""
        if self.by is None:
            return np.ones(len(shapes), np.uint8)
        known = {frozenset([name]): number for number, name in enumerate(self.names, 1)}
        said = (shape.attributes.get(self.by, frozenset()) for shape in shapes)
        return np.array([known.get(values, 0) for values in said], np.uint8)

    def strangers(self, shapes: Sequence[Shape]) -> list[str]:
        """Return what is wrong with shapes of no class: a line for each value they have."""
        if self.by is None:
            return []
        strange: dict[frozenset[str], list[Shape]] = defaultdict(list)
        for shape, number in zip(shapes, self.numbers(shapes), strict=True):
            if not number:
                strange[shape.attributes.get(self.by, frozenset())].append(shape)
        known = ", ".join(self.names)
        return [
            f"{found[0].where}: {self.by} is {' and '.join(sorted(values)) or 'not said'}"
            f"{f', as of {len(found) - 1:,} more' if found[1:] else ''} "
            f"(expected one of {known}); correct it, delete it, or name it with --classes"
            for values, found in strange.items()
        ]


def class_names(shapes: Iterable[Shape], by: str) -> tuple[str, ...]:
    """Return all values of an attribute in alphabetical order."""
    return tuple(sorted(set().union(*(shape.attributes.get(by, ()) for shape in shapes))))


def write_names(path: Path, names: Sequence[str]) -> None:
    """Write what the numbers of a folder of masks stand for."""
    with staged(path) as temporary:
        named = dict(enumerate(names, 1))
        temporary.write_text(json.dumps(named, ensure_ascii=False, indent=1) + "\n", "utf-8")


def read_names(path: Path) -> tuple[str, ...]:
    """Return what the numbers of a folder of masks stand for; nothing without such a file.

    Raises:
        AnnotationError: it does not name 1, 2 and so on.
    """
    if not path.exists():
        return ()
    named = checked(read_json(path), dict, str(path))
    names = tuple(named.get(str(number)) for number in range(1, len(named) + 1))
    if not all(isinstance(name, str) for name in names):
        raise AnnotationError(
            f'{path}: names {", ".join(map(shown, named))} (expected {{"1": "…", "2": "…"}} '
            "without a gap); correct it"
        )
    return names
