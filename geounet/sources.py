"""Decide what GDAL may open for a path or URL the user typed; opens nothing with GDAL itself."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geounet.drivers import (
    KNOWN,
    check_png,
    check_sidecars,
    check_tiff,
    driver_of,
    read_head,
    reason,
)
from geounet.errors import RasterError
from geounet.vrt import check_vrt, is_markup

if TYPE_CHECKING:
    from collections.abc import Iterable

VIEWERS = (".aux.xml", ".ovr")
"""Ends of files that others write beside a raster to show it."""

URL_DRIVERS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".jp2": "JP2OpenJPEG",
    ".img": "HFA",
    ".vrt": "VRT",
}
"""Suffix of a URL → driver; everything else must be a GeoTIFF."""


@dataclass(frozen=True)
class Source:
    """What to hand to GDAL."""

    name: str
    """File name, or `/vsicurl/`, `/vsis3/` name."""
    driver: str
    """The one driver that may open it."""
    shown: str
    """The path or URL as the user wrote it, for messages."""
    remote: bool = False
    """True = reached by the network, at a URL the user typed."""
    overview: int | None = None
    """Which overview stands for the raster, 0 the finest; None = the raster itself."""


def find_source(path: str | Path, *, allow_vrt: bool = False) -> Source:
    """Return what GDAL may open for a path or URL, and with which driver.

    Args:
        path: a file, or an `https://` or `s3://` URL.
        allow_vrt: also open a VRT with sources elsewhere, derived bands or warping.

    Raises:
        RasterError: no regular file, or not of a known format.
    """
    text = os.fspath(path)
    if "://" in text and isinstance(path, str):
        return _remote(text, allow_vrt=allow_vrt)
    file = Path(text)
    if text.startswith("/vsi") and not file.exists():
        raise RasterError(f"{text}: GDAL's virtual paths are not opened; give a file or a URL")
    head = read_head(file)
    if is_markup(head):
        check_vrt(file, head, allow_vrt=allow_vrt)
        return Source(str(file.absolute()), "VRT", text)
    driver = driver_of(head)
    if driver is None:
        raise RasterError(
            f"{file}: not a raster format that is read here "
            f"(starts with {head[:12]!r}, expected {KNOWN}); convert it with gdal_translate"
        )
    if driver == "PNG":
        check_png(file)
    if driver == "GTiff":
        check_tiff(file, head)
    check_sidecars(file)
    return Source(str(file.absolute()), driver, text)


def identity(path: str | Path) -> str:
    """Return one line that changes when the file does: resolved path, size, mtime in ns.

    Raises:
        RasterError: the file cannot be looked at.
    """
    text = os.fspath(path)
    if "://" in text and isinstance(path, str):
        return text
    try:
        file = Path(text).resolve()
        found = file.stat()
    except OSError as error:
        raise RasterError(f"{path}: {reason(error)}; check the path") from error
    return f"{file} {found.st_size} {found.st_mtime_ns}"


def identities(files: Iterable[str]) -> list[str]:
    """Return the identity of each file that is there, sorted.

    Overviews and statistics, which a viewer may write at any time, are left out.
    """
    local = (file for file in files if not file.endswith(VIEWERS))
    return sorted(map(identity, filter(os.path.exists, local)))


def _remote(url: str, *, allow_vrt: bool) -> Source:
    scheme, _, rest = url.partition("://")
    prefixes = {
        "https": f"/vsicurl/{url}",
        "http": f"/vsicurl/{url}",
        "s3": f"/vsis3/{rest}",
    }
    if scheme not in prefixes:
        raise RasterError(
            f"{url}: unknown kind of address ({scheme}://, expected https:// or s3://)"
        )
    suffix = Path(re.split(r"[?#]", rest)[0]).suffix.lower()
    driver = URL_DRIVERS.get(suffix, "GTiff")
    if driver == "VRT" and not allow_vrt:
        raise RasterError(f"{url}: a VRT on the network names further files; pass --allow-vrt")
    return Source(prefixes[scheme], driver, url, remote=True)
