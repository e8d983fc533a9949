"""Call GDAL through rasterio: its settings, one place where its errors become one line."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from geounet.errors import OutputError, RasterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geounet.sources import Source

# GDAL reads this once, at its first block; its default is 5 % of the memory in every process.
os.environ.setdefault("GDAL_CACHEMAX", "64")

_LOCAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE", "GDAL_PAM_ENABLED": "YES"}
_REMOTE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
}
_WRITING = {"GDAL_PAM_ENABLED": "NO"}


def open_source(source: Source) -> Any:  # noqa: ANN401 - rasterio has no types
    """Return a new handle of a source, opened by the one driver that fits its content."""
    return rasterio.open(source.name, driver=source.driver, sharing=False)


@contextmanager
def reading(source: Source, doing: str) -> Iterator[None]:
    """Set GDAL up for reads; its errors become RasterError with `doing` and the cause."""
    try:
        with _quiet(_REMOTE if source.remote else _LOCAL):
            yield
    except (RasterioError, OSError, ValueError) as error:
        cure = "check the address" if source.remote else "copy or download it again"
        raise RasterError(
            f"{source.shown}: cannot be read ({doing}: {cause(error)}); "
            f"it is damaged or incomplete, {cure}"
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Set GDAL up for writes without side files; its errors become OutputError."""
    try:
        with _quiet(_WRITING):
            yield
    except (RasterioError, OSError) as error:
        raise OutputError(
            f"{path}: cannot be written ({cause(error)}); check free space and permissions"
        ) from error


def cause(error: BaseException) -> str:
    """Return the most telling message of a chain of errors, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:300]


@contextmanager
def _quiet(settings: dict[str, str]) -> Iterator[None]:
    with warnings.catch_warnings(), rasterio.Env(**settings):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
