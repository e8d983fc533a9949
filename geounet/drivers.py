"""Tell by a file's first bytes which GDAL driver may open it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal

from geounet.errors import RasterError

MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"II*\x00", "GTiff"),
    (b"MM\x00*", "GTiff"),
    (b"II+\x00", "GTiff"),
    (b"MM\x00+", "GTiff"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
    (b"EHFA_HEADER_TAG", "HFA"),
)
"""First bytes of a file → the one driver that may open it; WebP is told by two places."""

KNOWN = "GeoTIFF, COG, PNG, JPEG, WebP, JPEG 2000, Erdas HFA"
"""The formats, in words."""

_HEAD = 512
MOST_IMAGES = 4096
"""Images in one TIFF: overviews and masks are a few dozen at most."""


def driver_of(head: bytes) -> str | None:
    """Return the driver for a file's first bytes, None when none is known."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((driver for magic, driver in MAGICS if head.startswith(magic)), None)


def read_head(file: Path) -> bytes:
    """Return a regular file's first bytes; never blocks on a FIFO or a device.

    Raises:
        RasterError: missing, not readable, no regular file, or empty.
    """
    try:
        str(file.absolute()).encode()
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise RasterError(f"{file}: is a folder, expected a raster file; name the file in it")
        if not stat.S_ISREG(mode):
            raise RasterError(f"{file}: is a pipe or device, expected a raster file; save it first")
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except UnicodeEncodeError as error:
        raise RasterError(f"{file}: the name is not UTF-8; rename it, or its folder") from error
    except OSError as error:
        raise RasterError(f"{file}: {reason(error)}; check the path") from error
    if not head:
        raise RasterError(f"{file}: is empty (0 bytes); copy or download it again")
    return head


def reason(error: OSError) -> str:
    """Return the system's own words for an error."""
    return (error.strerror or str(error)).lower()


def check_png(file: Path) -> None:
    """Walk the chunks to the end: GDAL reads a truncated PNG without a word.

    Raises:
        RasterError: the last chunk is missing.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        at = 8
        while at + 12 <= size:
            stream.seek(at)
            head = stream.read(8)
            at += int.from_bytes(head[:4], "big") + 12
            if head[4:] == b"IEND":
                return
    raise RasterError(f"{file}: is truncated (no end after {size} bytes); copy it again")


def check_tiff(file: Path, head: bytes) -> None:
    """Walk the directories of a TIFF: GDAL takes forever over very many of them.

    Raises:
        RasterError: it is cut off before its first directory, or has too many.
    """
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    is_big = b"+" in head[2:4]
    word, entry, counter = (8, 20, 8) if is_big else (4, 12, 2)
    size, at = file.stat().st_size, int.from_bytes(head[word : 2 * word], order)
    if at >= size:
        raise RasterError(
            f"{file}: is truncated (its directory is at byte {at}, it has {size}); copy it again"
        )
    with file.open("rb") as stream:
        for _ in range(MOST_IMAGES):
            stream.seek(at)
            count = int.from_bytes(stream.read(counter), order)
            stream.seek(min(at + counter + count * entry, size))
            at = int.from_bytes(stream.read(word), order)
            if not 0 < at < size:
                return
    raise RasterError(
        f"{file}: holds more than {MOST_IMAGES:,} images (expected one with its overviews); run: "
        f"gdal_translate GTIFF_DIR:1:{file} one.tif"
    )


def check_sidecars(file: Path) -> None:
    """Refuse overviews and masks beside the file that are no rasters: GDAL opens them too.

    Raises:
        RasterError: one of them could make GDAL read another file.
    """
    for suffix in (".ovr", ".msk"):
        side = Path(f"{file}{suffix}")
        if side.is_file() and driver_of(read_head(side)) is None:
            raise RasterError(
                f"{side}: is not a raster (expected {suffix} of {file.name}); delete it"
            )
    pam = Path(f"{file}.aux.xml")
    if pam.is_file() and b"OVERVIEW_FILE" in pam.read_bytes():
        raise RasterError(f"{pam}: names another file for overviews; delete that entry")
