"""Open a raster and read windows of it, with a valid mask; never padded, never resampled here."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geounet.blocks import any_written, written_parts
from geounet.gdal import BLOCKS, open_source, reading
from geounet.header import (
    band_names,
    bits,
    check_links,
    check_pixels,
    check_place,
    choose_bands,
    dates,
    read_crs,
)
from geounet.reader import Patch, RasterInfo, empty_patch
from geounet.sources import find_source
from geounet.valid import Masking, find_masking, valid_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rasterio.windows import Window

    from geounet.sources import Source


class RasterReader:
    """A raster file; one GDAL handle per thread and process. Made by `open_raster`."""

    def __init__(
        self, source: Source, info: RasterInfo, bands: tuple[int, ...], masking: Masking
    ) -> None:
        """Keep what was found; handles are opened when a thread first reads."""
        self._source = source
        self._info = info
        self._bands = bands
        self._masking = masking
        self._stored = [*bands, *([] if masking.alpha is None else [masking.alpha])]
        self._local = threading.local()
        self._lock = threading.Lock()
        self._handles: list[Any] = []
        self._closed = False

    @property
    def info(self) -> RasterInfo:
        """What the raster is."""
        return self._info

    @property
    def bands(self) -> tuple[int, ...]:
        """The file's band numbers that a read returns, 1-based."""
        return self._bands

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels of a window that lies wholly inside the raster.

        A block that was never written holds no data: it is 0, not valid, and costs nothing.

        Raises:
            RasterError: the file is damaged, truncated or gone.
        """
        assert _inside(window, self.info.shape), f"{window} leaves {self.info.shape}"
        patch = empty_patch(self.info, window) if into is None else replace(into, window=window)
        BLOCKS.hold(self._bytes_of_blocks(window))
        with reading(self._source, _words(window)):
            handle = self._handle()
            parts = list(written_parts(handle, self._stored, window))
            if parts != [window]:
                patch.data[:], patch.valid[:] = 0, False
            for part in parts:
                self._fill(handle, patch.part(part))
        return patch

    def holds_data(self, window: Window) -> bool:
        """Return False when none of a window's blocks was ever written.

        Raises:
            RasterError: the file is damaged or gone.
        """
        with reading(self._source, _words(window)):
            return any_written(self._handle(), self._stored, window)

    def _fill(self, handle: Any, patch: Patch) -> None:  # noqa: ANN401 - rasterio has no types
        """Read the pixels of a window and which of them count."""
        masking, window = self._masking, patch.window
        if masking.alpha is None:
            handle.read(self._stored, window=window, out=patch.data)
            valid_pixels(patch.data, masking.nodata, out=patch.valid)
        else:
            *bands, alpha = handle.read(self._stored, window=window, out_dtype=self.info.dtype)
            np.stack(bands, out=patch.data)
            valid_pixels(patch.data, masking.nodata, out=patch.valid)
            np.logical_and(patch.valid, alpha, out=patch.valid)
        if masking.masks:
            masks = handle.read_masks(list(masking.masks), window=window)
            np.logical_and(patch.valid, masks.any(axis=0), out=patch.valid)

    def _bytes_of_blocks(self, window: Window) -> int:
        """What the next window below shares with this one, and as much as is written meanwhile."""
        high, wide = self.info.block_shape
        pixels = high * (int(window.width) + 2 * wide)
        return pixels * (len(self._stored) + 2) * self.info.dtype.itemsize

    def close(self) -> None:
        """Close the handles of all threads; no thread may be reading."""
        self._closed = True
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without the handles."""
        return type(self), (self._source, self._info, self._bands, self._masking)

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _handle(self) -> Any:  # noqa: ANN401 - rasterio has no types
        """Return this thread's own handle: GDAL's are not safe to share, nor to inherit by fork."""
        assert not self._closed, f"{self.info.path} is closed"
        if getattr(self._local, "process", None) != os.getpid():
            self._local.handle = open_source(self._source)
            self._local.process = os.getpid()
            with self._lock:
                self._handles.append(self._local.handle)
        return self._local.handle


def open_raster(
    path: str | Path,
    *,
    bands: Sequence[int] | None = None,
    allow_vrt: bool = False,
    indexed: bool = False,
    overview: int | None = None,
) -> RasterReader:
    """Return a reader of a raster file or URL.

    Args:
        path: a file (GeoTIFF, COG, PNG, JPEG, WebP, JPEG 2000, HFA, VRT), or an `https://` or
            `s3://` URL.
        bands: 1-based bands to read, in that order; all but alpha when None. An alpha band that
            is named here is data, and masks nothing.
        allow_vrt: also open a VRT with sources outside its folder.
        indexed: read the indices of a colour table instead of refusing it.
        overview: read this overview as if it were the raster, 0 the finest.

    Raises:
        RasterError: it cannot be opened, or not be understood.
    """
    source = replace(find_source(path, allow_vrt=allow_vrt), overview=overview)
    shown = source.shown
    with reading(source, "open"), open_source(source) as handle:
        check_links(handle, shown)
        chosen = choose_bands(handle, shown, bands)
        check_pixels(handle, shown, chosen, indexed=indexed)
        check_place(handle, shown)
        info = RasterInfo(
            path=Path(path),
            height=handle.height,
            width=handle.width,
            count=len(chosen),
            dtype=np.result_type(*(handle.dtypes[band - 1] for band in chosen)),
            transform=handle.transform,
            crs=read_crs(handle, shown),
            nodata=handle.nodatavals[chosen[0] - 1],
            block_shape=handle.block_shapes[chosen[0] - 1],
            scale=handle.scales[chosen[0] - 1],
            files=tuple(handle.files),
            bands=chosen,
            names=band_names(handle, chosen),
            taken=dates(handle),
            bits=bits(handle, chosen[0]),
            overviews=tuple(handle.overviews(chosen[0])),
        )
        masking = find_masking(handle, chosen)
    return RasterReader(source, info, chosen, masking)


def _inside(window: Window, shape: tuple[int, int]) -> bool:
    row, col, height, width = window.row_off, window.col_off, window.height, window.width
    fits = row + height <= shape[0] and col + width <= shape[1]
    return bool(fits and min(row, col) >= 0 and min(height, width) > 0)


def _words(window: Window) -> str:
    rows, cols = window.toslices()
    return f"rows {rows.start} to {rows.stop}, columns {cols.start} to {cols.stop}"
