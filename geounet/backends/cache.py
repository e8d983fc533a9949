"""What was made once for this machine: bytes in the user's cache folder, by key."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

DIGEST = 32


def cached(name: str, make: Callable[[], bytes]) -> bytes:
    """Return the bytes kept under a name, made when they are not there or not whole.

    Args:
        name: file in the cache folder; it has to say everything the bytes depend on.
        make: makes them. A folder that cannot be written to only means that they are made again.
    """
    path = folder() / name
    try:
        kept = path.read_bytes()
    except OSError:
        kept = b""
    if kept and kept[:DIGEST] == hashlib.sha256(kept[DIGEST:]).digest():
        return kept[DIGEST:]
    made = make()
    try:
        _write(path, hashlib.sha256(made).digest() + made)
    except OSError as error:
        log.info("%s cannot be kept (%s); it is made again next time", path, error.strerror)
    return made


def is_cached(name: str) -> bool:
    """Return whether something is kept under a name."""
    try:
        return (folder() / name).is_file()
    except OSError:
        return False


def folder() -> Path:
    """Return the cache folder: `$XDG_CACHE_HOME/geounet`, by default `~/.cache/geounet`."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "geounet"


def _write(path: Path, content: bytes) -> None:
    """Write under another name and rename: another process sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            file.write(content)
            file.close()
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
