"""Kinds of values that options take."""

from __future__ import annotations

from typing import Any

import click


class Auto(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An integer, or the word `auto`."""

    name = "INTEGER|auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the integer or the word."""
        if value == "auto" or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor 'auto'", param, ctx)


class Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Numbers separated by commas, or one of some words."""

    def __init__(
        self, kind: type, *, count: int | None = None, words: tuple[str, ...] = ()
    ) -> None:
        """Expect `count` numbers of one kind, any count when None."""
        self._kind, self._count, self._words = kind, count, words
        shape = ",".join(["N"] * (count or 3)) if count else "N,…"
        self.name = "|".join([*words, shape])

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a tuple, or the word."""
        if not isinstance(value, str) or value in self._words:
            return value
        try:
            numbers = tuple(self._kind(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if not numbers or (self._count and len(numbers) != self._count):
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return numbers if self._count != 1 else numbers[0]


AUTO = Auto()
BANDS = Numbers(int)
SCALE = Numbers(float, count=2, words=("auto", "none"))
GSD = Numbers(float, count=1, words=("native", "model"))
