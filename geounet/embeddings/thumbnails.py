"""Pictures of items, kept in a ZIP beside their embeddings."""

from __future__ import annotations

from base64 import b64encode
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

import numpy as np

from geounet.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image

EDGE = 112
"""Longest edge of a picture in the page, pixels."""

_LARGEST = 2**24
_FORMATS = ("JPEG", "PNG", "WEBP")


class Thumbnails:
    """Pictures by name."""

    def __init__(self, file: ZipFile | None) -> None:
        """Take an open file, or None where there are no pictures."""
        self._file = file
        self._names = set(file.namelist()) if file else set()

    def has(self, names: Sequence[str | None] | NDArray[np.object_]) -> NDArray[np.bool_]:
        """Return which of some items have a picture."""
        return np.array([name in self._names for name in names], bool)

    def image(self, name: str) -> Image:
        """Return a picture in colour, made as small as the page needs it.

        Raises:
            OptionError: the file is damaged, or holds something else.
        """
        from PIL import Image  # noqa: PLC0415 - comes with bokeh and matplotlib

        assert self._file is not None
        where = f"{self._file.filename}, {name}"
        try:
            size = self._file.getinfo(name).file_size
            if size > _LARGEST:
                raise OptionError(f"{where}: is no small picture ({size:,} bytes)")
            picture = Image.open(BytesIO(self._file.read(name)), formats=_FORMATS)
            picture.draft("RGB", (EDGE, EDGE))
            small = picture.convert("RGB")
        except (OSError, BadZipFile, ValueError, Image.DecompressionBombError) as error:
            kinds = ", ".join(_FORMATS)
            raise OptionError(f"{where}: cannot be read as a picture (expected {kinds})") from error
        small.thumbnail((EDGE, EDGE))
        return small

    def uri(self, name: str) -> str:
        """Return a picture as a `data:` address."""
        held = BytesIO()
        self.image(name).save(held, "JPEG", quality=82)
        return f"data:image/jpeg;base64,{b64encode(held.getvalue()).decode('ascii')}"


@contextmanager
def open_thumbnails(path: Path) -> Iterator[Thumbnails]:
    """Yield the pictures in a ZIP; none where there is no such file.

    Raises:
        OptionError: the file is no ZIP.
    """
    if not path.exists():
        yield Thumbnails(None)
        return
    try:
        file = ZipFile(path)
    except (BadZipFile, OSError) as error:
        raise OptionError(f"{path}: is no ZIP of pictures; embed again, or move it away") from error
    with file:
        yield Thumbnails(file)
