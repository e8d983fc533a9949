"""Fixtures every room may use."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

UTM = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
"""A half-metre grid, north up."""


@pytest.fixture
def make_raster(tmp_path):
    """Return a function that writes an array as a GeoTIFF (or another driver's file)."""

    def make(
        array, *, transform=UTM, crs="EPSG:32633", nodata=None, name="raster.tif", **profile
    ):  # fmt: skip
        array = np.asarray(array)
        array = array[None] if array.ndim == 2 else array
        count, height, width = array.shape
        path = tmp_path / name
        settings = {"driver": "GTiff", "crs": crs, "nodata": nodata} | profile
        settings |= {"transform": transform} if transform is not None else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                path, "w", height=height, width=width, count=count, dtype=array.dtype, **settings
            ) as target:
                target.write(array)
        return path

    return make
