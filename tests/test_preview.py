"""The preview: a small picture that shows the whole raster and reads each pixel once."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeReader
from hypothesis import given
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from geounet.gdal import quiet
from geounet.preview import preview, windows_of
from geounet.raster import open_raster


def test_a_small_raster_is_shown_as_it_is():
    """A uint8 raster within the limit keeps every pixel."""
    image = np.random.default_rng(0).integers(1, 256, (3, 40, 70), np.uint8)
    shown = preview(FakeReader(image), longest=70)
    assert shown.scale == 1
    assert (shown.pixels == image.transpose(1, 2, 0)).all()
    assert shown.valid.all()


def test_whole_steps_give_block_means():
    """Where pixels are joined by a whole number, each shows the mean of its block."""
    image = np.random.default_rng(1).integers(0, 256, (3, 40, 60), np.uint8)
    shown = preview(FakeReader(image), longest=30)
    means = image.reshape(3, 20, 2, 30, 2).mean((2, 4))
    assert (shown.pixels == np.floor(means + 0.5).transpose(1, 2, 0)).all()


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    longest=st.integers(1, 60),
    block=st.tuples(st.integers(1, 64), st.integers(1, 64)),
)
def test_a_ramp_stays_a_ramp(height, width, longest, block):
    """A pixel of the picture shows the place it stands for, whatever the sizes and the blocks."""
    ramp = np.add.outer(np.arange(height) / 3, np.arange(width) / 3)
    reader = FakeReader(np.stack([ramp] * 3).astype(np.uint8))
    reader.info = replace(reader.info, block_shape=block)
    shown = preview(reader, longest=longest)
    rows, cols = shown.valid.shape
    assert max(rows, cols) == min(longest, max(height, width))
    middle = (
        np.minimum((axis + 0.5) * shown.scale, size - 0.5)
        for axis, size in ((np.arange(rows), height), (np.arange(cols), width))
    )
    expected = np.add.outer(*middle) / 3
    assert shown.valid.all()
    assert np.abs(shown.pixels[..., 0] - expected).max() <= 1.5 + shown.scale / 4


@pytest.mark.parametrize("block", [(512, 512), (1, 9000), (5000, 9000), (3000, 16)])
def test_windows_partition_a_large_raster(block, monkeypatch):
    """Windows cover a raster once, stay small, and follow tiles where the file has some."""
    info = replace(FakeReader(np.zeros((1, 2, 2))).info, height=5000, width=9000, block_shape=block)
    windows = list(windows_of(info))
    assert sum(w.width * w.height for w in windows) == 5000 * 9000
    assert len({(w.row_off, w.col_off) for w in windows}) == len(windows)
    assert max(w.width * w.height for w in windows) <= 2**22
    if block == (512, 512):
        assert all(w.row_off % 512 == w.col_off % 512 == 0 for w in windows)


def test_memory_is_that_of_a_window():
    """No window is larger than the budget, and each pixel is read once."""
    reader = FakeReader(np.zeros((3, 3000, 2500), np.uint8))
    reader.info = replace(reader.info, block_shape=(256, 256))
    preview(reader, longest=100)
    assert sum(w.width * w.height for w in reader.asked) == 3000 * 2500
    assert max(w.width * w.height for w in reader.asked) <= 2**22


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_other_pixels_are_stretched(dtype):
    """Pixels other than uint8 are stretched between their 2nd and 98th percentile."""
    values = np.linspace(300, 3000, 10_000).reshape(1, 100, 100).astype(dtype)
    shown = preview(FakeReader(values)).pixels
    assert shown[0, 0, 0] == 0
    assert shown[-1, -1, 0] == 255
    assert abs(int(shown[50, 0, 0]) - 128) <= 2


def test_one_band_is_grey():
    """Of a raster with one or two bands the first is shown grey."""
    image = np.random.default_rng(2).integers(0, 256, (2, 9, 9), np.uint8)
    shown = preview(FakeReader(image)).pixels
    assert all((shown[..., band] == image[0]).all() for band in range(3))


def test_nodata_does_not_shine_through():
    """A mean is taken over valid pixels only, and a pixel needs data on half of its ground."""
    image = np.full((3, 8, 8), 100, np.float32)
    valid = np.ones((8, 8), bool)
    valid[:, 3:] = False
    image[:, ~valid] = np.nan
    shown = preview(FakeReader(np.nan_to_num(image, nan=0).astype(np.uint8), valid), longest=4)
    assert shown.valid[:, :2].all()
    assert not shown.valid[:, 2:].any()
    assert (shown.pixels[:, :2] == 100).all()
    assert not preview(FakeReader(image, np.zeros((8, 8), bool)), longest=4).valid.any()
    assert preview(FakeReader(image, valid), longest=4).valid.sum() == 8


def test_a_file_is_shown(make_raster):
    """A raster file with a nodata marker goes through the same way."""
    image = np.full((3, 50, 40), 90, np.uint8)
    image[:, :10] = 0
    with open_raster(make_raster(image, nodata=0)) as reader:
        shown = preview(reader, longest=25)
    assert shown.valid.shape == (25, 20)
    assert not shown.valid[:5].any()
    assert (shown.pixels[5:] == 90).all()


def test_pictures_are_files():
    """The picture is a JPEG close to its pixels, the mask a PNG that says where data is."""
    smooth = np.broadcast_to(np.arange(64, dtype=np.uint8) * 3, (3, 64, 64))
    valid = np.tri(64, dtype=bool)
    shown = preview(FakeReader(smooth, valid))
    with quiet(), MemoryFile(shown.jpeg(95)) as file, file.open() as image:
        assert image.driver == "JPEG"
        off = np.abs(image.read().transpose(1, 2, 0).astype(int) - shown.pixels)
        assert np.median(off[valid]) <= 4
    with quiet(), MemoryFile(shown.mask_png()) as file, file.open() as mask:
        assert mask.driver == "PNG"
        assert (mask.read(2) == np.where(valid, 255, 0)).all()
