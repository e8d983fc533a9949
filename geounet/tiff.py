"""Write a small raster of any pixel type as a GeoTIFF in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from geounet.gdal import quiet, writing

if TYPE_CHECKING:
    from pathlib import Path

    from geounet.reader import Patch, RasterInfo

_RGB = 3
_RED_GREEN_BLUE = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def write_tiff(path: Path, patch: Patch, info: RasterInfo) -> None:
    """Write a patch where it lies; what is not valid is transparent by an alpha band.

    Args:
        path: `.tif` to write.
        patch: pixels; its window may reach out of the raster.
        info: its pixel type, and of the raster it is cut from transform and CRS.

    Raises:
        OutputError: the disk is full or gone.
    """
    height, width = patch.valid.shape
    bands, kind = list(patch.data), info.dtype
    if not patch.valid.all():
        opaque = np.iinfo(kind).max if kind.kind in "iu" else 1
        bands.append(np.where(patch.valid, opaque, 0).astype(kind))
    corner = Affine.translation(patch.window.col_off, patch.window.row_off)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": len(bands),
        "dtype": kind,
        "compress": "DEFLATE",
        "crs": None if info.crs is None else info.crs.to_wkt(),
        "transform": info.transform @ corner,
    }
    with writing(path), quiet(), rasterio.open(path, "w", **profile) as target:
        target.write(np.stack(bands))
        grey = (ColorInterp.gray, *[ColorInterp.undefined] * (len(patch.data) - 1))
        colours = _RED_GREEN_BLUE if len(patch.data) == _RGB else grey
        if len(bands) > len(patch.data):
            colours = (*colours, ColorInterp.alpha)
        target.colorinterp = colours
