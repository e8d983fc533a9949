"""Tell data from nodata: the rules of a raster's markers, masks and alpha band."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Masking:
    """Where a raster says which pixels count; all of them must agree."""

    alpha: int | None
    """Band whose zeros are no data, 1-based."""
    nodata: tuple[float | None, ...]
    """Marker of each band that is read."""
    masks: tuple[int, ...]
    """Bands whose stored mask is read; a pixel counts when any of them says so."""


def is_alpha(handle: Any, band: int) -> bool:  # noqa: ANN401 - rasterio has no types
    """Return whether a band of an open raster says which pixels count.

    GDAL calls the last of four bands alpha when nobody says otherwise; one that is described as
    something else is data.
    """
    words = (handle.descriptions[band - 1] or "alpha").lower()
    named = any(word in words for word in ("alpha", "mask", "opacity"))
    return bool(handle.colorinterp[band - 1] == ColorInterp.alpha and named)


def find_masking(handle: Any, bands: tuple[int, ...]) -> Masking:  # noqa: ANN401
    """Return where an open raster says which pixels of some bands count."""
    alphas = [band for band in handle.indexes if is_alpha(handle, band)]
    nodata = tuple(handle.nodatavals[band - 1] for band in bands)
    flags = [set(handle.mask_flag_enums[band - 1]) for band in bands]
    masks = tuple(band for band, found in zip(bands, flags, strict=True) if not found)
    if any(MaskFlags.per_dataset in found and MaskFlags.alpha not in found for found in flags):
        masks = bands[:1]
    hidden = [band for band in alphas if band not in bands]
    return Masking(hidden[0] if hidden else None, nodata, masks)


def valid_pixels(
    data: NDArray[Any], nodata: tuple[float | None, ...], out: NDArray[np.bool_]
) -> None:
    """Write into `out` where not every band is nodata, and every band is finite.

    A dark pixel of an image with nodata 0 has some band above 0; only the empty border has none.
    """
    out[:] = True
    if None not in nodata:
        for band, marker in zip(data, nodata, strict=True):
            assert marker is not None
            out &= _equals(band, marker)
            if not out.any():
                break
        np.logical_not(out, out=out)
    if data.dtype.kind == "f":
        for band in data:
            out &= np.isfinite(band)


def _equals(band: NDArray[Any], marker: float) -> NDArray[np.bool_]:
    """Return where a band is its marker, as its own dtype would store that marker."""
    if band.dtype.kind == "f":
        with np.errstate(over="ignore"):
            stored = band.dtype.type(marker)
    elif math.isfinite(marker) and marker == int(marker) and _holds(band.dtype, int(marker)):
        stored = band.dtype.type(int(marker))
    else:
        return np.zeros(band.shape, dtype=np.bool_)
    same: NDArray[np.bool_] = np.isnan(band) if np.isnan(stored) else np.equal(band, stored)
    return same


def _holds(dtype: np.dtype[Any], number: int) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= number <= limits.max)
