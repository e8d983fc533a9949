"""Resampling: windows equal the whole, constants and ramps survive, nodata stays where it is."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from fakes import FakeReader
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.windows import Window

from geounet import resample
from geounet.errors import RasterError
from geounet.resample import Axis, Resampled

LOCAL = CRS.from_proj4("+proj=tmerc +lat_0=45 +lon_0=9 +k=1 +datum=WGS84")
"""Metres on the ground are metres in the CRS, near its origin."""

DTYPES = ("uint8", "uint16", "int16", "float32", "int32", "float64")


def grid(shape, pixel=(1.0, 1.0), turn=0.0):
    """Return a transform whose centre lies on the origin of LOCAL."""
    height, width = shape
    return Affine.rotation(turn) @ Affine(
        pixel[0], 0, -width / 2 * pixel[0], 0, -pixel[1], height / 2 * pixel[1]
    )


def fake(array, valid=None, **kwargs):
    """Return a reader of an array that lies at the origin of LOCAL."""
    return FakeReader(array, valid, grid(array.shape[1:], **kwargs), LOCAL)


def whole(reader):
    """Return all of a reader's pixels."""
    return reader.read(Window(0, 0, reader.info.width, reader.info.height))


@st.composite
def rasters(draw):
    """Draw a small raster with holes, a GSD, and the seed of a window."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    array = rng.integers(0, 255, shape).astype(draw(st.sampled_from(DTYPES)))
    valid = rng.random(shape[1:]) >= draw(st.sampled_from((0.0, 0.1, 0.6)))
    gsd = draw(st.sampled_from((1.0, 2.0, 3.0, 0.5)) | st.floats(0.3, 7))
    pixel = draw(st.sampled_from(((1.0, 1.0), (1.0, 0.7))))
    return fake(array, valid, pixel=pixel), gsd, rng


@given(rasters())
@settings(max_examples=150, deadline=None)
def test_a_window_is_the_slice_of_the_whole(drawn):
    """Any window has, bit for bit, the pixels and the validity of the whole at that place."""
    reader, gsd, rng = drawn
    reader = Resampled(reader, gsd)
    full = whole(reader)
    assert full.data.dtype == reader.info.dtype
    for _ in range(4):
        row, col = (int(rng.integers(0, size)) for size in reader.info.shape)
        height = int(rng.integers(1, reader.info.height - row + 1))
        width = int(rng.integers(1, reader.info.width - col + 1))
        window = Window(col, row, width, height)
        part = reader.read(window)
        assert part.window == window
        np.testing.assert_array_equal(part.data, full.data[:, *window.toslices()])
        np.testing.assert_array_equal(part.valid, full.valid[window.toslices()])


@pytest.mark.parametrize("gsd", [0.7, 1.0, 2.0, 2.3, 6.0])
def test_pieces_make_the_whole(monkeypatch, gsd):
    """The pixels do not depend on how much is read at a time."""
    rng = np.random.default_rng(3)
    array = rng.normal(size=(2, 61, 83)).astype("float32")
    valid = rng.random((61, 83)) > 0.3
    full = whole(Resampled(fake(array, valid), gsd))
    monkeypatch.setattr(resample, "BUDGET", 50)
    monkeypatch.setattr(resample, "_STRIP", 64)
    pieces = whole(Resampled(fake(array, valid), gsd))
    np.testing.assert_array_equal(pieces.data, full.data)
    np.testing.assert_array_equal(pieces.valid, full.valid)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gsd", [0.4, 0.9, 1.0, 1.7, 2.0, 5.0, 37.0])
def test_a_constant_stays_that_constant(dtype, gsd):
    """A raster of one number becomes a raster of the same number, also beside nodata."""
    array = np.full((1, 50, 60), 213, dtype)
    valid = np.random.default_rng(0).random((50, 60)) > 0.2
    for mask in (None, valid):
        patch = whole(Resampled(fake(array, mask), gsd))
        np.testing.assert_allclose(patch.data[:, patch.valid], 213, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-5), ("float32", 1e-2)])
@pytest.mark.parametrize("gsd", [0.5, 1.01, 1.3, 2.0, 3.7])
def test_a_ramp_stays_a_ramp_inside(gsd, dtype, tolerance):
    """Away from the edges a linear ramp keeps its value at every place on the ground."""
    rows, cols = np.mgrid[:80, :90] + 0.5
    array = (3 * rows + 2 * cols)[None].astype(dtype)
    reader = Resampled(fake(array), gsd)
    patch = whole(reader)
    rows, cols = (np.mgrid[: patch.valid.shape[0], : patch.valid.shape[1]] + 0.5) * gsd
    inside = (rows > 8) & (rows < 72) & (cols > 8) & (cols < 82)
    expected = 3 * rows + 2 * cols
    np.testing.assert_allclose(patch.data[0][inside], expected[inside], rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int32"])
def test_scale_one_is_identity(dtype):
    """At the raster's own GSD every pixel is the pixel that was read."""
    rng = np.random.default_rng(5)
    array = rng.integers(0, 250, (3, 33, 47)).astype(dtype)
    valid = rng.random((33, 47)) > 0.3
    reader = fake(array, valid)
    patch = whole(Resampled(reader, 1.0))
    np.testing.assert_array_equal(patch.valid, valid)
    np.testing.assert_array_equal(patch.data[:, valid], array[:, valid])
    assert not patch.data[:, ~valid].any()


@given(rasters(), st.sampled_from((0, 7, 255)))
@settings(max_examples=60, deadline=None)
def test_nodata_never_bleeds(drawn, marker):
    """What stands in invalid pixels changes no output pixel."""
    reader, gsd, _ = drawn
    changed = reader._array.copy()
    changed[:, ~reader._valid] = np.nan if changed.dtype.kind == "f" else marker
    other = FakeReader(changed, reader._valid, reader.info.transform, LOCAL)
    before, after = whole(Resampled(reader, gsd)), whole(Resampled(other, gsd))
    np.testing.assert_array_equal(before.data, after.data)
    np.testing.assert_array_equal(before.valid, after.valid)


def test_half_of_the_weight_makes_a_pixel_valid():
    """An output pixel with half of its weight on valid pixels is valid, with less it is not."""
    valid = np.zeros((1, 8), bool)
    valid[:, :4] = True
    patch = whole(Resampled(fake(np.full((1, 1, 8), 9, "uint8"), valid), 2.0))
    assert patch.valid.tolist() == [[True, True, False, False]]
    assert patch.data.tolist() == [[[9, 9, 0, 0]]]


def test_integers_are_rounded_not_cut():
    """The mean of 0 and 255 in equal parts is 128, and nothing leaves the dtype's range."""
    array = np.tile(np.array([0, 255], "uint8"), (1, 8, 8))
    data = whole(Resampled(fake(array), 2.0)).data[0]
    assert set(np.unique(data[:, 1:-1])) == {128}


@given(
    st.integers(1, 3000),
    st.floats(0.2, 60) | st.integers(1, 40),
    st.sampled_from((12, 26)),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_weights_add_up_to_exactly_one(size, scale, bits, data):
    """Weights are multiples of 2^-bits, none negative, none outside the source, sum 1."""
    axis = Axis(size, float(scale))
    start = data.draw(st.integers(0, axis.count - 1))
    outputs = range(start, min(axis.count, start + 50))
    weights = axis.weights(outputs, bits)
    assert (weights.sum(axis=1) == 1).all()
    assert (weights >= 0).all()
    assert (weights * 2**bits % 1 == 0).all()
    source = axis.first(outputs)[:, None] + np.arange(axis.taps)
    assert not weights[(source < 0) | (source >= size)].any()


@pytest.mark.parametrize("turn", [0, 30, 90])
def test_the_grid_is_square_and_keeps_its_corner(turn):
    """Pixels are square metres of the asked size, and the top left corner stays."""
    source = fake(np.zeros((1, 30, 50), "uint8"), pixel=(0.3, 0.5), turn=turn)
    info = Resampled(source, 0.6).info
    assert info.shape == (25, 25)
    assert info.transform @ (0, 0) == pytest.approx(source.info.transform @ (0, 0))
    assert info.gsd_xy == pytest.approx((0.6, 0.6), rel=1e-6)
    assert info.nodata is None


def test_a_raster_in_degrees_gets_metres():
    """A grid of degrees away from the equator becomes square on the ground."""
    source = FakeReader(
        np.zeros((1, 100, 100), "uint8"),
        None,
        Affine(1e-5, 0, 10, 0, -1e-5, 60),
        CRS.from_epsg(4326),
    )
    info = Resampled(source, 2.0).info
    assert info.gsd_xy == pytest.approx((2, 2), rel=1e-6)
    assert info.height == pytest.approx(2 * info.width, rel=0.1)


def test_no_crs_is_refused():
    """Metres mean nothing without a CRS."""
    with pytest.raises(
        RasterError, match=r"fake.tif: cannot be resampled to 0.3 m \(it has no CRS"
    ):
        Resampled(FakeReader(np.zeros((1, 4, 4), "uint8")), 0.3)


def test_it_agrees_with_pillow():
    """Pillow's reducing bilinear filter gives the same picture, but for rounding."""
    image = pytest.importorskip("PIL.Image")
    array = np.random.default_rng(2).integers(0, 255, (96, 120), dtype=np.uint8)
    ours = whole(Resampled(fake(array[None]), 3.0)).data[0]
    theirs = np.asarray(image.fromarray(array).resize((40, 32), image.Resampling.BILINEAR))
    assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_memory_follows_the_window():
    """A small window of a large raster asks for the pixels under it and their neighbours only."""
    reader = fake(np.zeros((1, 4000, 4000), "uint8"))
    Resampled(reader, 2.0).read(Window(100, 200, 10, 20))
    assert [window.toslices() for window in reader.asked] == [
        (slice(399, 441), slice(199, 221)),
    ]


def test_closing_closes_the_source():
    """The reader below is closed with the resampled one."""
    reader = fake(np.zeros((1, 4, 4), "uint8"))
    Resampled(reader, 2.0).close()
    assert reader.closed
