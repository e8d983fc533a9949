"""Rules of what fits: bands, pixel type and ground sample distance of a raster and a model."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from fakes import FakeReader, PaintModel
from pyproj import CRS

from geounet.card import ModelCard
from geounet.errors import OptionError, RasterError
from geounet.fit import check_fit, target_gsd
from geounet.raster import open_raster

CARD = ModelCard(name="m", network="unet", stride=16, receptive_field=91, threshold=0.42)


def _reader(bands=3, dtype=np.uint8, step=0.3):
    array = np.zeros((bands, 64, 64), dtype) + np.arange(64, dtype=dtype) * 50
    transform = Affine(step, 0, 500_000, 0, -step, 5_000_000)
    return FakeReader(array, transform=transform, crs=CRS.from_epsg(32633))


def test_bands_the_model_does_not_know_are_refused():
    """The message prints the option that cures it."""
    with pytest.raises(
        RasterError, match=r"has 4 bands.*expects 3 \(red, green, blue\).*--bands 1,2,3"
    ):
        check_fit(_reader(4), CARD, scaled=False)


def test_a_pixel_type_the_model_does_not_know_is_refused():
    """The message prints a ready --scale."""
    with pytest.raises(RasterError, match=r"pixels are uint16.*such as --scale \d+,\d+"):
        check_fit(_reader(dtype=np.uint16), CARD, scaled=False)
    check_fit(_reader(dtype=np.uint16), CARD, scaled=True)
    check_fit(_reader(), CARD, scaled=False)


@pytest.mark.parametrize(("bits", "words"), [(4, "of 4 bits"), (1, "of 1 bit,")])
def test_pixels_of_less_than_a_byte_are_refused(make_raster, bits, words):
    """Their white is 15 or 1, which a model of bytes would take for black."""
    array = np.arange(3 * 64 * 64, dtype=np.uint8).reshape(3, 64, 64) % 2**bits
    with open_raster(make_raster(array, nbits=bits)) as reader:
        with pytest.raises(RasterError, match=rf"{words}.*such as --scale 0,{2**bits - 1}$"):
            check_fit(reader, CARD, scaled=False)
        check_fit(reader, CARD, scaled=True)


@pytest.mark.parametrize(
    ("step", "gsd", "expected"),
    [(0.3, "model", None), (0.32, "model", None), (0.1, "model", 0.3), (0.6, "model", 0.3),
     (0.1, "native", None), (0.1, 0.5, 0.5), (0.3, 0.3, None)],
)  # fmt: skip
def test_the_gsd_is_the_models_when_it_differs_by_a_tenth(step, gsd, expected):
    """Close enough stays on its own grid; `native` always does."""
    assert target_gsd(_reader(step=step).info, CARD, gsd) == expected


def test_a_raster_far_too_coarse_is_refused():
    """Ten-metre pixels are not blown up to 0.3 m unasked."""
    with pytest.raises(RasterError, match=r"too coarse.*--gsd native"):
        target_gsd(_reader(step=10).info, CARD, "model")


def test_metres_mean_nothing_without_a_crs():
    """--gsd M is refused, `model` leaves the raster as it is."""
    info = FakeReader(np.zeros((3, 9, 9), np.uint8)).info
    assert target_gsd(info, PaintModel().card, "model") is None
    with pytest.raises(OptionError, match="has no CRS"):
        target_gsd(info, CARD, 0.5)
    with pytest.raises(OptionError, match="above 0"):
        target_gsd(_reader().info, CARD, -1.0)
