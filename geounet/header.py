"""Read what an open raster says of itself; refuse what would be read wrongly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from warnings import warn

from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError

from geounet.errors import GeounetWarning, RasterError
from geounet.gdal import cause
from geounet.ground import pixel_steps
from geounet.valid import is_alpha

if TYPE_CHECKING:
    from collections.abc import Sequence

DATE_TAGS = (
    *("ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "ACQUISITION_DATE"),
    *("EXIF_DateTimeOriginal", "TIFFTAG_DATETIME"),
)
"""Tags that hold a date, those of the acquisition first."""

OPAQUE = 255
"""Alpha of a colour that hides what lies below."""


def check_links(handle: Any, shown: str) -> None:  # noqa: ANN401 - rasterio has no types
    """Refuse a raster whose own tags name another file: GDAL would open it, also on the network.

    Must be asked before anything else is.

    Raises:
        RasterError: the tag, and how to be rid of it.
    """
    named = handle.tags(ns="OVERVIEWS").get("OVERVIEW_FILE")
    if named:
        raise RasterError(
            f"{shown}: names another file for its overviews ({named[:80]}, expected its own); "
            f"run: gdal_translate {shown} clean.tif"
        )


def choose_bands(
    handle: Any,  # noqa: ANN401 - rasterio has no types
    shown: str,
    bands: Sequence[int] | None,
) -> tuple[int, ...]:
    """Return the bands to read: those asked for, or all but alpha.

    Raises:
        RasterError: there is no such band, or none at all.
    """
    colours = tuple(band for band in handle.indexes if not is_alpha(handle, band))
    if not handle.count and handle.subdatasets:
        raise RasterError(
            f"{shown}: holds only subdatasets ({len(handle.subdatasets)}, expected bands); "
            f"run: gdal_translate {handle.subdatasets[0]} one.tif"
        )
    for band in bands or ():
        if not 1 <= band <= handle.count:
            raise RasterError(
                f"{shown}: has no band {band} (it has {_list(handle.count)}); set --bands"
            )
    if handle.subdatasets:
        warn(
            f"{shown}: holds {len(handle.subdatasets)} images, the first is read; another one by: "
            f"gdal_translate {handle.subdatasets[1]} one.tif",
            GeounetWarning,
            stacklevel=3,
        )
    if not bands and not colours:
        raise RasterError(f"{shown}: has no band of data (bands: {handle.count}); check the file")
    return tuple(bands) if bands else colours


def band_names(handle: Any, bands: Sequence[int]) -> tuple[str, ...]:  # noqa: ANN401
    """Return what a file calls its bands, in small letters; empty where it says nothing.

    Descriptions count where there are any: the colours of a file are often those of its driver.
    """
    described = [(handle.descriptions[band - 1] or "").strip().lower() for band in bands]
    if any(described):
        return tuple(described)
    meanings = (handle.colorinterp[band - 1] for band in bands)
    plain = (ColorInterp.undefined, ColorInterp.gray)
    return tuple("" if each in plain else each.name for each in meanings)


def dates(handle: Any) -> tuple[str, ...]:  # noqa: ANN401 - rasterio has no types
    """Return what the tags say of when an image was taken, and then of when the file was made."""
    tags = {**handle.tags(), **handle.tags(ns="IMAGERY")}
    found = (tags.get(name) for name in DATE_TAGS)
    return tuple(word for word in found if word)


def bits(handle: Any, band: int) -> int | None:  # noqa: ANN401 - rasterio has no types
    """Return how many bits of a pixel are used, None where all of its type are."""
    found = handle.tags(band, ns="IMAGE_STRUCTURE").get("NBITS", "")
    return int(found) if found.isdecimal() else None


def check_pixels(
    handle: Any,  # noqa: ANN401 - rasterio has no types
    shown: str,
    bands: tuple[int, ...],
    *,
    indexed: bool,
) -> None:
    """Refuse pixels that are no plain numbers, or, unless `indexed`, indices of a colour table.

    Raises:
        RasterError: complex pixels, or a colour table.
    """
    kinds = {handle.dtypes[band - 1] for band in bands}
    if any("complex" in kind for kind in kinds):
        raise RasterError(
            f"{shown}: has complex pixels ({', '.join(sorted(kinds))}, expected real numbers); "
            "write their amplitude to a file first"
        )
    if not indexed and any(handle.colorinterp[band - 1] == ColorInterp.palette for band in bands):
        colours = [each for band in bands for each in handle.colormap(band).values()]
        kind = "rgb" if all(alpha == OPAQUE for *_, alpha in colours) else "rgba"
        raise RasterError(
            f"{shown}: has a colour table (indices, expected colours); "
            f"run: gdal_translate -expand {kind} {shown} {kind}.tif"
        )


def check_place(handle: Any, shown: str) -> None:  # noqa: ANN401 - rasterio has no types
    """Refuse a raster that lies nowhere an affine transform can say.

    Raises:
        RasterError: only GCPs or RPCs, or a transform without area.
    """
    placed = not handle.transform.is_identity
    if not placed and handle.gcps[0]:
        raise RasterError(
            f"{shown}: has only ground control points ({len(handle.gcps[0])}, expected a "
            f"geotransform); run: gdalwarp -r bilinear {shown} warped.tif"
        )
    if not placed and handle.rpcs is not None:
        raise RasterError(
            f"{shown}: has only an RPC camera model (expected a geotransform); "
            f"run: gdalwarp -rpc -r bilinear {shown} warped.tif"
        )
    numbers = tuple(handle.transform)[:6]
    if not all(map(math.isfinite, numbers)) or handle.transform.is_degenerate:
        raise RasterError(
            f"{shown}: has a geotransform without area {numbers}; "
            f"run: gdal_translate -a_ullr ULX ULY LRX LRY {shown} fixed.tif"
        )


def read_crs(handle: Any, shown: str) -> CRS | None:  # noqa: ANN401 - rasterio has no types
    """Return the CRS; None without one, or where it places no pixel on the ground.

    That is so without a transform, and of the local CRS of a building site.

    Raises:
        RasterError: PROJ does not understand it, or it is none of maps.
    """
    if not handle.crs or handle.transform.is_identity:
        return None
    cure = f"run: gdal_translate -a_srs EPSG:NNNN {shown} fixed.tif"
    try:
        crs = CRS.from_wkt(handle.crs.to_wkt(version="WKT2_2019"))
    except (CRSError, RasterioError) as error:
        raise RasterError(
            f"{shown}: has a CRS that PROJ does not know ({cause(error)}); {cure}"
        ) from error
    if crs.is_geocentric or (crs.is_vertical and not crs.is_compound):
        kind = "geocentric" if crs.is_geocentric else "vertical"
        raise RasterError(f"{shown}: has a {kind} CRS ({crs.name}, expected one of maps); {cure}")
    if crs.geodetic_crs is None:
        return None
    if pixel_steps(crs, handle.transform, handle.shape) is None:
        x, y = handle.transform @ (handle.width / 2, handle.height / 2)
        raise RasterError(
            f"{shown}: lies where its CRS has no ground (its centre at {x:.6g}, {y:.6g} in "
            f"{crs.name}); {cure}"
        )
    return crs


def _list(count: int) -> str:
    return "only band 1" if count == 1 else f"bands 1 to {count}"
