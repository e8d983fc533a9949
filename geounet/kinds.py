"""Whether a value read from a file is of the kind a type hint says."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    NoneType: "nothing",
}


def is_of(value: object, hint: Any) -> bool:  # noqa: ANN401
    """Return whether a value is of a kind; a whole number is a number, True is none."""
    inner = get_args(hint)
    match get_origin(hint) or hint:
        case origin if origin is Literal:
            return value in inner
        case origin if origin in (Union, UnionType):
            return any(is_of(value, one) for one in inner)
        case origin if origin is tuple:
            kinds = (
                inner[:1] * len(value) if inner[-1] is ... and isinstance(value, tuple) else inner
            )
            return (
                isinstance(value, tuple)
                and len(value) == len(kinds)
                and all(map(is_of, value, kinds))
            )
        case origin if origin is Mapping:
            return isinstance(value, Mapping) and all(
                is_of(one, inner[1]) for one in value.values()
            )
        case origin if origin in (int, float):
            kinds = (int, float) if origin is float else (int,)
            return isinstance(value, kinds) and not isinstance(value, bool)
        case origin:
            return origin is Any or isinstance(value, origin)


def kind_words(hint: Any) -> str:  # noqa: ANN401
    """Return a kind in words."""
    inner = get_args(hint)
    match get_origin(hint) or hint:
        case origin if origin is Literal:
            return ", ".join(map(str, inner))
        case origin if origin in (Union, UnionType):
            return " or ".join(map(kind_words, inner))
        case origin if origin is tuple:
            many = "a list of them: " if inner[-1] is ... else ""
            return many + ", ".join(kind_words(one) for one in inner if one is not ...)
        case origin if origin is Mapping:
            return f"a table; each value {kind_words(inner[1])}"
        case origin:
            return _WORDS.get(origin, "anything")
