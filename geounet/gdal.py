"""Call GDAL through rasterio: its settings, one place where its errors become one line."""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio._err import CPLE_BaseError  # what it lets through when a file is closed
from rasterio.env import set_gdal_config
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from geounet.errors import OutputError, RasterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geounet.sources import Source

_SMALLEST_CACHE, _LARGEST_CACHE = 16_000_000, 512_000_000
_LOCAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE", "GDAL_PAM_ENABLED": "YES"}
_REMOTE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
PATIENCE = {
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_LOW_SPEED_TIME": "30",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
}
"""How often a server is asked, and how many seconds it may send nothing; what someone has set in
the environment stands."""
_WRITING = {"GDAL_PAM_ENABLED": "NO"}
_FILTERS = threading.RLock()
_LONGEST = 260


class BlockCache:
    """GDAL's cache of blocks, which all threads share: as small as the windows allow.

    GDAL's own default is 5 % of the memory in every process. What someone has set with
    GDAL_CACHEMAX stands.
    """

    def __init__(self) -> None:
        """Start small."""
        self._lock = threading.Lock()
        self._size = _LARGEST_CACHE if "GDAL_CACHEMAX" in os.environ else 0
        self.hold(_SMALLEST_CACHE)

    def hold(self, size: int) -> None:
        """Have room for so many bytes of blocks, so that the next window need not decode again."""
        with self._lock:
            if min(size, _LARGEST_CACHE) > self._size:
                self._size = min(size, _LARGEST_CACHE)
                set_gdal_config("GDAL_CACHEMAX", self._size)  # bytes, unlike the variable's


BLOCKS = BlockCache()


def open_source(source: Source) -> Any:  # noqa: ANN401 - rasterio has no types
    """Return a new handle of a source, opened by the one driver that fits its content."""
    with quiet():
        finer = {} if source.overview is None else {"overview_level": source.overview}
        return rasterio.open(source.name, driver=source.driver, sharing=False, **finer)


@contextmanager
def reading(source: Source, doing: str) -> Iterator[None]:
    """Set GDAL up for reads; its errors become RasterError with `doing` and the cause."""
    try:
        with rasterio.Env(**(_remote() if source.remote else _LOCAL)):
            yield
    except (RasterioError, CPLE_BaseError, OSError, ValueError) as error:
        cure = "check the address" if source.remote else "copy or download it again"
        raise RasterError(
            f"{source.shown}: cannot be read ({doing}: {cause(error)}); "
            f"it is damaged or incomplete, {cure}"
        ) from error


def _remote() -> dict[str, str]:
    return _REMOTE | {name: PATIENCE[name] for name in PATIENCE.keys() - os.environ.keys()}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Set GDAL up for writes without side files; its errors become OutputError."""
    try:
        with rasterio.Env(**_WRITING):
            yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise OutputError(
            f"{path}: cannot be written ({cause(error)}); check free space and permissions"
        ) from error


@contextmanager
def hushed() -> Iterator[None]:
    """Keep libtiff quiet, which tells the stream itself of a full disk; the error comes anyway.

    For moments when no other thread has a word to say.
    """
    try:
        stream = os.dup(2)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stream, 2)
        os.close(nowhere)
        os.close(stream)


def cause(error: BaseException) -> str:
    """Return the most telling message of a chain of errors, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    words = " ".join(str(error).split())
    return words if len(words) <= _LONGEST else f"{words[:60]} … {words[60 - _LONGEST :]}"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep rasterio from warning that a raster has no place; the caller says so once.

    Python's list of filters belongs to all threads, so only one at a time may change it.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
