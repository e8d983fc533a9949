"""Write COCO files annotation by annotation; `images` keeps each image's place in the world."""

from __future__ import annotations

import json
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from pyproj import CRS

from geounet.rle.compressed import compressed
from geounet.rle.counts import runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from geounet.rle.coco import CocoImage


class CocoWriter:
    """Writes a COCO file annotation by annotation; the counts of one need not fit in memory."""

    def __init__(self, file: IO[str], images: Sequence[CocoImage], *, compact: bool = True) -> None:
        """Begin the file.

        Args:
            file: open for text.
            images: all of them.
            compact: True = compressed counts, False = lists of numbers.
        """
        self._file, self._compact, self._count = file, compact, 0
        file.write(f'{{"images":{_dumped([_entry(image) for image in images])},"annotations":[')

    def add(self, image: CocoImage, category: int, pieces: Iterable[NDArray[np.int64]]) -> None:
        """Write the counts of one annotation."""
        write, extent = self._file.write, _Extent(image.shape)
        self._count += 1
        write(",\n" if self._count > 1 else "\n")
        write(f'{{"id":{self._count},"image_id":{image.number},"category_id":{category},')
        write(f'"iscrowd":0,"segmentation":{{"size":{_dumped(image.shape)},"counts":')
        watched = extent.watch(pieces)
        if self._compact:
            write('"')
            for text in compressed(watched):
                write(text.replace("\\", "\\\\"))
            write('"')
        else:
            texts = (",".join(map(str, counts.tolist())) for counts in watched if len(counts))
            write("[" + next(texts, ""))
            write("".join(chain.from_iterable((",", text) for text in texts)))
            write("]")
        write(f'}},"area":{extent.area},"bbox":{_dumped(extent.bbox)}}}')

    def finish(self, categories: Mapping[int, str]) -> None:
        """End the file with the names of the categories."""
        named = [{"id": number, "name": name} for number, name in categories.items()]
        self._file.write(f'\n],"categories":{_dumped(named)}}}\n')


class _Extent:
    """Area and bounding box of counts that pass by."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.area = 0
        self._height = shape[0]
        self._low, self._high = [shape[1], shape[0]], [0, 0]

    @property
    def bbox(self) -> list[int]:
        """First column, first row, columns, rows; zeros when nothing is set."""
        if not self.area:
            return [0, 0, 0, 0]
        return [*self._low, *(high - low for low, high in zip(self._low, self._high, strict=True))]

    def watch(self, pieces: Iterable[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
        """Hand counts on and remember what they span."""
        for counts, starts, ends in runs(pieces):
            self._span(starts, ends)
            yield counts

    def _span(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        if not len(ends):
            return
        self.area += int((ends - starts).sum())
        (left, top), (right, bottom) = (np.divmod(at, self._height) for at in (starts, ends - 1))
        tall = left != right
        low = int(left.min()), 0 if tall.any() else int(top.min())
        high = int(right.max()) + 1, self._height if tall.any() else int(bottom.max()) + 1
        self._low = [min(pair) for pair in zip(self._low, low, strict=True)]
        self._high = [max(pair) for pair in zip(self._high, high, strict=True)]


def _entry(image: CocoImage) -> dict[str, Any]:
    entry = {
        "id": image.number, "file_name": str(image.name),
        "height": image.height, "width": image.width,
    }  # fmt: skip
    if image.transform is not None:
        entry["transform"] = list(image.transform)[:6]
    if image.crs is not None:
        entry["crs"] = _crs_text(image.crs)
    return entry


def _crs_text(crs: CRS) -> str:
    """Return a CRS's code if that says all of it, else its WKT."""
    code = ":".join(crs.to_authority(min_confidence=100) or ())
    return code if code and CRS.from_user_input(code) == crs else crs.to_wkt()


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
