"""Kinds of values that options take."""

from __future__ import annotations

import re
from typing import Any

import click


class Auto(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An integer, or a word."""

    def __init__(self, word: str = "auto") -> None:
        """Know one word."""
        self._word, self.name = word, f"INTEGER|{word}"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the integer or the word."""
        if value == self._word or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor {self._word!r}", param, ctx)


class Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Numbers separated by commas, or one of some words."""

    def __init__(
        self, kind: type, *, count: int | None = None, words: tuple[str, ...] = ()
    ) -> None:
        """Expect `count` numbers of one kind, any count when None."""
        self._kind, self._count, self._words = kind, count, words
        shape = ",".join(["N"] * count) if count else "N,…"
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


class Names(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Names separated by commas."""

    name = "NAME,…"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a tuple."""
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in value.split(","))
        if not all(names):
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return names


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


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An amount of memory: `2GB` and `500M` count in thousands, `2GiB` in 1,024s."""

    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?", value.strip(), re.IGNORECASE)
        size = 0
        if found and (found[2] or not found[3]):
            step = 1024 if found[3] else 1000
            size = int(float(found[1]) * step ** " kmgt".index(found[2].lower() or " "))
        if not size:
            self.fail(f"{value!r} is no amount of memory; try 2GB or 1500MiB", param, ctx)
        return size


AUTO = Auto()
BANDS = Numbers(int)
SCALE = Numbers(float, count=2, words=("auto", "none"))
GSD = Numbers(float, count=1, words=("native", "model"))
BBOX = Numbers(float, count=4)
NAMES = Names()
SHARE = Share()
SIZE = Size()
