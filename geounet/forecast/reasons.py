"""All that speaks against a run, and all a user should know before it: not only the first."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geounet.card import FIXED
from geounet.errors import GeounetError, GeounetWarning, RasterError
from geounet.scale import suggest_scale

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geounet.card import ModelCard
    from geounet.forecast.census import Census
    from geounet.reader import RasterInfo, Reader

NARROW = 0.4
"""Part of the model's range that a raster spans, below which it is told."""
RIM = 64
"""Edge of the corners that are looked at for a nodata nobody marked, pixels."""


@dataclass
class Reasons:
    """What was heard so far."""

    refused: list[str] = field(default_factory=list)
    """Why the run would be refused, each with its cure."""
    minded: list[str] = field(default_factory=list)
    """What a user should know."""

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Note an error that comes inside, and warnings; each once."""
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always", GeounetWarning)
            try:
                yield
            except GeounetError as error:
                self._add(self.refused, str(error))
        for each in found:
            if issubclass(each.category, GeounetWarning):
                self.mind(str(each.message))

    def mind(self, text: str) -> None:
        """Note something that a user should know."""
        self._add(self.minded, text)

    def _add(self, where: list[str], text: str) -> None:
        if text not in where:
            where.append(text)


def told_of_pixels(reader: Reader, card: ModelCard, reasons: Reasons) -> None:
    """Mind values that fill little of the model's range, and rims that look like nodata."""
    info = reader.info
    try:
        low, high = suggest_scale(reader)
    except RasterError:  # no pixel with data was found
        return
    black, white = card.input_range
    if card.scaling == FIXED and (high - low) < NARROW * (white - black):
        reasons.mind(
            f"{info.path}: values span {low:g} to {high:g} (2 to 98 %), model {card.name} expects "
            f"{black:g} to {white:g}, so it looks flat; --scale {low:.15g},{high:.15g} stretches it"
        )
    value = _rim(reader)
    if value is not None:
        reasons.mind(
            f"{info.path}: marks no nodata, yet its corners are {value:g} throughout; if that is "
            f"none of the picture, run: gdal_translate -a_nodata {value:g} {info.path} marked.tif"
        )


def told_of_memory(path: Path, memory: int, free: int | None, reasons: Reasons) -> None:
    """Mind a memory that other processes have taken."""
    if free is not None and memory > free:
        reasons.mind(
            f"{path}: takes about {memory / 1e9:.1f} GB of memory, {free / 1e9:.1f} are free; end "
            "other programs, or pass a smaller --max-memory"
        )


def told_of_data(info: RasterInfo, found: Census, reasons: Reasons) -> None:
    """Mind a raster of which nothing would be predicted."""
    if found.tiles == found.skipped:
        reasons.mind(f"{info.path}: holds no data where a result is wanted; the map will be empty")


def _rim(reader: Reader) -> float | None:
    """The one value of black or white corners that nobody marked; None where there is none."""
    info = reader.info
    if info.nodata is not None or info.dtype.kind == "f":
        return None
    edge = max(min(RIM, info.height // 8, info.width // 8), 1)
    found: set[float] = set()
    for row in (0, info.height - edge):
        for col in (0, info.width - edge):
            patch = reader.read(Window(col, row, edge, edge))
            if patch.valid.all() and (patch.data == patch.data.flat[0]).all():
                found.add(float(patch.data.flat[0]))
    ends = (0.0, float(np.iinfo(info.dtype).max))
    return found.pop() if len(found) == 1 and found <= set(ends) else None
