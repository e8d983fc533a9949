"""Fixtures every room may use."""

from __future__ import annotations

import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer

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


@pytest.fixture
def town(make_raster):
    """A raster of blobs, with a hole of nodata that spans whole cells."""
    rng = np.random.default_rng(2)
    rough = rng.integers(0, 2, (12, 15)).repeat(9, 0).repeat(9, 1)[:100, :130]
    image = (rough * 200 + rng.integers(0, 50, rough.shape)).astype(np.uint8)
    image[image == 7] = 8
    image[40:75, 20:110] = 7
    return make_raster(image, nodata=7)


@pytest.fixture(scope="session")
def loopback():
    """A server on this machine that counts what it is asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.hits += 1
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815 - as http.server calls it

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    http.hits = 0
    http.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()
