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


class Share(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A name and a number, as in `town=0.5`."""

    name = "PLACE=SHARE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the pair."""
        if isinstance(value, tuple):
            return value
        place, _, share = value.partition("=")
        try:
            number = float(share)
        except ValueError:
            number = -1.0
        if not place or number < 0:
            self.fail(f"{value!r} is not PLACE=SHARE with a share from 0 up", param, ctx)
        return place, number


AUTO = Auto()
BANDS = Numbers(int)
SCALE = Numbers(float, count=2, words=("auto", "none"))
GSD = Numbers(float, count=1, words=("native", "model"))
SHARE = Share()
