"""Write 8-bit maps as cloud-optimised GeoTIFFs, window by window; knows no probabilities."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp

from geounet.errors import OutputError
from geounet.gdal import BLOCKS, hushed, quiet, writing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.reader import RasterInfo

NODATA = 255
"""Marker of every map written here."""

PROBABILITY_SCALE = 1 / 254
"""Value of one step of a quantised probability."""

BACKGROUND, NOTHING = (245, 245, 245, 255), (0, 0, 0, 0)

CLASS_COLOURS = (
    (200, 60, 50, 255),
    (0, 114, 178, 255),
    (230, 159, 0, 255),
    (0, 158, 115, 255),
    (204, 121, 167, 255),
    (86, 180, 233, 255),
    (240, 228, 66, 255),
)
"""Colours of the classes, in turn; told apart by the colour-blind (Okabe and Ito 2008)."""

BLOCK = 512


@dataclass
class CogWriter:
    """A COG in the making; write windows, then leave the `with` block."""

    path: Path
    """Where the COG is written; hand in a staged path."""
    _: KW_ONLY
    info: RasterInfo
    """The grid: its shape, transform and CRS are taken over, nothing else."""
    count: int
    """Bands."""
    descriptions: tuple[str, ...] = ()
    """One name a band."""
    nodata: int = NODATA
    """The file's marker."""
    scale: float | None = None
    """Value of one step, None when the numbers mean themselves."""
    offset: float = 0.0
    """Value of the number 0, where steps have a value."""
    colormap: dict[int, tuple[int, int, int, int]] | None = None
    """Number → red, green, blue, alpha; of a single band."""
    resampling: Literal["average", "mode"] = "average"
    """How overviews are made."""
    _raw: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Create the tiled file that windows are written to before the COG is made.

        Raises:
            OutputError: it cannot be created.
        """
        assert len(self.descriptions) in (0, self.count), self.descriptions
        assert self.colormap is None or self.count == 1
        with writing(self.path), quiet():
            self._raw = rasterio.open(
                self._raw_path,
                "w",
                driver="GTiff",
                height=self.info.height,
                width=self.info.width,
                count=self.count,
                dtype="uint8",
                nodata=self.nodata,
                transform=self.info.transform,
                crs=None if self.info.crs is None else self.info.crs.to_wkt(),
                tiled=True,
                blockxsize=BLOCK,
                blockysize=BLOCK,
                compress="DEFLATE",
                zlevel=1,
                bigtiff="IF_SAFER",
                photometric="MINISBLACK",
                sparse_ok=True,
            )
            self._label()

    @property
    def _raw_path(self) -> Path:
        return self.path.with_suffix(".raw.tif")

    def write(self, rows: NDArray[np.uint8], window: Window) -> None:
        """Write `(count, height, width)` numbers at a window of the grid; the rest is nodata.

        Raises:
            OutputError: the disk is full or gone.
        """
        assert rows.dtype == np.uint8, rows.dtype
        assert rows.shape == (self.count, window.height, window.width), (rows.shape, window)
        self._check_room(rows.nbytes)
        BLOCKS.hold((self.count + 1) * BLOCK * (window.width + 2 * BLOCK))  # rows end within blocks
        with writing(self.path):
            self._raw.write(rows, window=window)

    def close(self) -> None:
        """Make the COG of what was written, and check that it opens.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            with writing(self.path), quiet(), hushed():
                self._raw.close()
                rasterio.shutil.copy(
                    self._raw_path,
                    self.path,
                    driver="COG",
                    blocksize=BLOCK,
                    compress="DEFLATE",
                    bigtiff="IF_SAFER",
                    sparse_ok=True,
                    overview_resampling=self.resampling,
                )
                with rasterio.open(self.path, driver="GTiff", sharing=False) as finished:
                    found = finished.shape, finished.count
            if found != (self.info.shape, self.count):
                raise OutputError(f"{self.path}: came out as {found}; check the disk")
        finally:
            self._raw_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Give up what was written."""
        with suppress(OutputError), writing(self.path), quiet(), hushed():
            self._raw.close()
        self._raw_path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Make the COG, or give up after an exception."""
        if kind is None:
            self.close()
        else:
            self.discard()

    def _check_room(self, size: int) -> None:
        """Find out before GDAL does that a disk is full: what libtiff says is no line of ours."""
        if shutil.disk_usage(self.path.parent).free < size:
            raise OutputError(f"{self.path}: no space left on device; free some space")

    def _label(self) -> None:
        if self.descriptions:
            self._raw.descriptions = self.descriptions
        if self.scale is not None:
            self._raw.scales = (self.scale,) * self.count
            self._raw.offsets = (self.offset,) * self.count
        if self.colormap is not None:
            self._raw.write_colormap(1, self.colormap)
            self._raw.colorinterp = (ColorInterp.palette,)


def probability_writer(path: Path, info: RasterInfo, classes: tuple[str, ...]) -> CogWriter:
    """Return a writer of quantised probabilities, 0 to 254, one band a class."""
    names = tuple(f"{name} probability" for name in classes)
    return CogWriter(path, info=info, count=len(names), descriptions=names, scale=PROBABILITY_SCALE)


def class_writer(path: Path, info: RasterInfo, classes: int = 1) -> CogWriter:
    """Return a writer of a class raster: 0 background, 1 the first class, 255 nothing known."""
    colours = {at + 1: CLASS_COLOURS[at % len(CLASS_COLOURS)] for at in range(classes)}
    colours |= {0: BACKGROUND, NODATA: NOTHING}
    return CogWriter(path, info=info, count=1, colormap=colours, resampling="mode")
