"""When a sheet was taken: its STAC item says it, or its tags."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geounet.reader import RasterInfo

FORMATS = ("%Y:%m:%d %H:%M:%S", "%Y:%m:%d", "%Y/%m/%d")
"""Of dates in tags that are not ISO 8601."""

LARGEST = 4_000_000
"""Bytes of a file beside a sheet that may be its STAC item."""


def taken(info: RasterInfo) -> datetime | None:
    """Return when a raster was taken; None where nobody says it.

    A STAC item beside it counts first (`sheet.json`, `sheet.stac.json` or `sheet.tif.json`), then
    a tag of the acquisition, then the date of the TIFF file. Times without a zone are UTC.
    """
    words = [*_stac(info.path), *info.taken]
    return next((date for word in words if (date := _date(word)) is not None), None)


def _stac(path: Path) -> Iterator[str]:
    names = (f"{path.stem}.json", f"{path.stem}.stac.json", f"{path.name}.json")
    for item in filter(_is_file, map(path.with_name, names)):
        properties = _properties(item)
        for name in ("datetime", "start_datetime"):
            if isinstance(properties.get(name), str):
                yield properties[name]


def _is_file(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= LARGEST


def _properties(item: Path) -> dict[str, Any]:
    """Return those of a STAC item; none of any other file."""
    try:
        words = json.loads(item.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(words, dict) or "stac_version" not in words:
        return {}
    properties = words.get("properties")
    return properties if isinstance(properties, dict) else {}


def _date(word: str) -> datetime | None:
    text = word.strip()
    found: datetime | None = None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
    for form in FORMATS:
        with suppress(ValueError):
            found = found or datetime.strptime(text, form).replace(tzinfo=UTC)
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
