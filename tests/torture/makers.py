"""What cases are made with: small rasters of every kind, and bytes put in their way."""

from __future__ import annotations

import os
import warnings

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

UTM = Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)
CRS = "EPSG:32633"
SHAPE = 40, 50


def houses(bands=3, shape=SHAPE, dtype="uint8", bright=220, dark=40):
    """A dark picture with a bright house."""
    height, width = shape
    image = np.full((bands, height, width), dark, dtype)
    image[:, height // 4 : height // 2 + 1, width // 5 : width // 2 + 1] = bright
    return image


def write(path, array, *, transform=UTM, crs=CRS, after=None, **profile):
    """Write an array as a raster; `after` gets the open file."""
    count, height, width = array.shape
    settings = {"driver": "GTiff", "crs": crs, "dtype": array.dtype} | profile
    if transform is not None:
        settings["transform"] = transform
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with (
            rasterio.Env(GDAL_PAM_ENABLED="NO", GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(path, "w", height=height, width=width, count=count, **settings) as target,
        ):
            target.write(array)
            if after is not None:
                after(target)
    return path


def raster(name="a.tif", *, shape=SHAPE, bands=3, dtype="uint8", change=None, **profile):
    """A maker of one raster; `change` gets its array before it is written."""

    def make(folder):
        array = houses(bands, shape, dtype, *((1, 0) if dtype == "int8" else ()))
        array = array if change is None else change(array)
        write(folder / name, array, **profile)

    return make


def spoilt(spoil, **how):
    """A maker of a raster whose bytes are then changed."""

    def make(folder):
        name = how.get("name", "a.tif")
        raster(**how)(folder)
        path = folder / name
        path.write_bytes(spoil(path.read_bytes()))

    return make


def copied(driver, name="a.tif", spoil=lambda data: data, **creation):
    """A maker of a raster of another driver, by a copy of a GeoTIFF; its bytes may be changed."""

    def make(folder):
        import rasterio.shutil  # noqa: PLC0415

        source = write(folder / "source.tif", houses())
        with rasterio.Env(GDAL_PAM_ENABLED="NO"):
            rasterio.shutil.copy(source, folder / name, driver=driver, **creation)
        for path in folder.iterdir():
            if path.name != name:
                path.unlink()
        (folder / name).write_bytes(spoil((folder / name).read_bytes()))

    return make


def bytes_of(content, name="a.tif"):
    """A maker of a file of given bytes or text."""

    def make(folder):
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)

    return make


def both(*makers):
    """A maker that does what several do, in order."""

    def make(folder):
        for each in makers:
            each(folder)

    return make


def sparse(height, width, name="a.tif", **profile):
    """A maker of a raster of which nothing was written."""

    def make(folder):
        settings = {"driver": "GTiff", "crs": CRS, "transform": UTM, "SPARSE_OK": True}
        settings |= {"tiled": True, "bigtiff": "IF_SAFER"} | profile
        rasterio.open(
            folder / name, "w", height=height, width=width, count=3, dtype="uint8", **settings
        ).close()

    return make


def fifo(folder):
    """A pipe that nobody writes to."""
    os.mkfifo(folder / "a.tif")


def linked(target, name="a.tif"):
    """A maker of a symbolic link."""

    def make(folder):
        (folder / name).symlink_to(target)

    return make


def somebodys(make, mode=0o000):
    """A maker whose file belongs to somebody else, with a mode."""

    def made(folder):
        make(folder)
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.chmod(mode)

    return made


def nothing(_):
    """Make nothing."""
