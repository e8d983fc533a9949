"""Which blocks of a GeoTIFF were ever written: the others hold no data, and need no decoding."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rasterio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def written_parts(handle: Any, bands: Sequence[int], window: Window) -> Iterator[Window]:  # noqa: ANN401 - rasterio has no types
    """Yield the parts of a window whose blocks hold data: all of it, runs of blocks, or none.

    Args:
        handle: an open raster; of other formats than GeoTIFF, every block counts as written.
        bands: a block counts when any of these has it.
        window: lies wholly inside the raster.
    """
    rows, cols = (range(part.start, part.stop) for part in window.toslices())
    high, wide = handle.block_shapes[bands[0] - 1]
    down, across = _blocks(rows, high), _blocks(cols, wide)
    if handle.driver != "GTiff":
        yield window
        return
    there = [[_written(handle, bands, row, col) for col in across] for row in down]
    if all(map(all, there)):
        yield window
        return
    for row, line in zip(down, there, strict=True):
        top, bottom = max(row * high, rows.start), min((row + 1) * high, rows.stop)
        for has, run in groupby(zip(line, across, strict=True), key=lambda each: each[0]):
            at = [col for _, col in run]
            left, right = max(at[0] * wide, cols.start), min((at[-1] + 1) * wide, cols.stop)
            if has:
                yield Window(left, top, right - left, bottom - top)


def any_written(handle: Any, bands: Sequence[int], window: Window) -> bool:  # noqa: ANN401
    """Return whether some block of a window was written; of other formats than GeoTIFF, all are."""
    high, wide = handle.block_shapes[bands[0] - 1]
    rows, cols = (range(part.start, part.stop) for part in window.toslices())
    return handle.driver != "GTiff" or any(
        _written(handle, bands, row, col)
        for row in _blocks(rows, high)
        for col in _blocks(cols, wide)
    )


def _written(handle: Any, bands: Sequence[int], row: int, col: int) -> bool:  # noqa: ANN401
    name = f"BLOCK_OFFSET_{col}_{row}"
    return any(handle.get_tag_item(name, "TIFF", bidx=band) is not None for band in bands)


def _blocks(pixels: range, size: int) -> range:
    return range(pixels.start // size, (pixels.stop - 1) // size + 1)
