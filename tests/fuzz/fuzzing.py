"""Change valid files at random, by a seed: any bytes give a result or an error of ours."""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geounet.errors import GeounetError

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = (
    b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"9" * 30, b"null", b"true", b'""', b"[]", b"{}", b"[" * 3000,
    b'{"a":' * 2000, b"\0", b"\xff\xfe", b"../../x", b"\n", b",", b'"', b"<a>", b"]]>", b"\xf0\x9f\x8f\xa0",
    b"18446744073709551616", b"-0.0", b"\\u0000", b"%s{0}",
)  # fmt: skip
"""What is put into a file."""


@dataclass(frozen=True)
class Target:
    """A parser, and valid files to begin with."""

    name: str
    """The name of a test."""
    suffix: str
    """Of its files."""
    seeds: tuple[bytes, ...]
    """Valid files."""
    parse: Callable[[Path], object]
    """Reads a file; may raise errors of ours alone."""


def changed(data: bytes, chance: np.random.Generator) -> bytes:
    """Return bytes with one to four changes: flipped, cut, doubled, moved, or a word put in."""
    found = bytearray(data)
    for _ in range(int(chance.integers(1, 5))):
        at, end = sorted(int(each) for each in chance.integers(0, len(found) + 1, 2))
        kind = int(chance.integers(6))
        if kind == 0 and found:
            found[min(at, len(found) - 1)] = int(chance.integers(256))
        elif kind == 1:
            del found[at : min(end, at + 40)]
        elif kind == 2:
            found[at:at] = found[at : min(end, at + 40)]
        elif kind == 3:
            found[at : min(end, at + 8)] = WORDS[int(chance.integers(len(WORDS)))]
        elif kind == 4:
            del found[at:]
        else:
            found[at:at] = WORDS[int(chance.integers(len(WORDS)))]
    return bytes(found)


def fuzz(target: Target, folder: Path, *, seconds: float = 1e9, rounds: int | None = None) -> int:
    """Feed a parser until the time or the rounds are over; return how many files it refused.

    Raises:
        AssertionError: it raised something else; the file is kept, its name is in the message.
    """
    path = folder / f"file{target.suffix}"
    until, refused = time.monotonic() + seconds, 0
    for number in itertools.count():
        if number == rounds or time.monotonic() > until:
            return refused
        seed = target.seeds[number % len(target.seeds)]
        data = seed if number < len(target.seeds) else changed(seed, np.random.default_rng(number))
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                target.parse(path)
        except GeounetError as error:
            if number < len(target.seeds) or "\n" in str(error):
                raise AssertionError(
                    f"{target.name}: a valid file, or two lines: {error}"
                ) from error
            refused += 1
        except BaseException as error:
            kept = Path(tempfile.gettempdir()) / f"fuzz-{target.name}-{number}{target.suffix}"
            kept.write_bytes(data)
            raise AssertionError(f"{target.name}: {error!r} of the file {kept}") from error
    raise AssertionError("not reached")


def main(targets: tuple[Target, ...]) -> None:
    """Run the targets of a file for `--seconds`, all together."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds / len(targets)
    with tempfile.TemporaryDirectory() as folder:
        for target in targets:
            refused = fuzz(target, Path(folder), seconds=seconds)
            sys.stdout.write(f"{target.name}: {refused:,} files refused, none got through\n")
