"""Rules of the baselines: what each finds, and that no tile changes it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from affine import Affine
from fakes import FakeReader
from geounet.cli.main import main
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from scipy import ndimage

from geounet.baselines.local import flooded, small
from geounet.baselines.methods import METHODS
from geounet.baselines.model import baseline
from geounet.baselines.scene import Scale, histogram, part, scale_of
from geounet.errors import ModelError
from geounet.model import BASELINES, find_model
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, stream
from geounet.verify import verify

UTM = CRS.from_epsg(32631)
METRE = Affine(1, 0, 500_000, 0, -1, 5_400_000)
"""Pixels of a metre, so that the widest whole thing is 30 pixels."""


def roofs(count=1, size=160):
    """A grey scene with noise and bright square roofs, the roofs as a mask."""
    chance = np.random.default_rng(3)
    truth = np.zeros((size, size), bool)
    for row in range(20, size - 30, 40):
        for col in range(20, size - 30, 40):
            edge = chance.integers(10, 20)
            truth[row : row + edge, col : col + edge] = True
    scene = 70 + 90 * truth + chance.normal(0, 4, (count, size, size))
    return np.clip(scene, 0, 255).astype(np.uint8), truth


def reader_of(pixels, valid=None):
    """A reader of metre pixels."""
    return FakeReader(pixels, valid, METRE, UTM)


@given(st.lists(st.integers(0, 20), min_size=2, max_size=30))
@settings(max_examples=100, deadline=None)
def test_the_threshold_parts_with_the_largest_variance_between(counts):
    """Otsu's threshold is the best of all by brute force, and lies between two levels."""
    values = np.repeat(np.linspace(0, 1, len(counts)), counts)
    found = part(np.array(counts))
    if len(set(values)) < 2:
        assert found is None
        return

    def variance(threshold):
        low, high = values[values < threshold], values[values >= threshold]
        return len(low) * len(high) * (high.mean() - low.mean()) ** 2

    edges = [(at + 0.5) / (len(counts) - 1) for at in range(len(counts) - 1)]
    inner = [edge for edge in edges if values.min() < edge <= values.max()]
    assert variance(found.threshold) == pytest.approx(max(map(variance, inner)))
    assert found.below == pytest.approx(values[values < found.threshold].mean())
    assert found.above == pytest.approx(values[values >= found.threshold].mean())


def test_the_threshold_is_that_of_a_well_known_library():
    """On a grey byte image it parts the pixels as scikit-image does."""
    filters = pytest.importorskip("skimage.filters")
    pixels, _ = roofs()
    found = METHODS["otsu"](reader_of(pixels))
    p = found.paint(pixels, np.ones(pixels.shape[1:], bool))
    assert np.array_equal(p >= 0.5, pixels[0] > filters.threshold_otsu(pixels[0]))


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize(
    ("count", "dtype"), [(1, np.uint8), (3, np.uint8), (4, np.uint16), (1, np.float32)]
)
def test_roofs_are_found(name, count, dtype):
    """Bright roofs on plain ground are found in any bands and pixel type."""
    scale = {np.uint8: 1, np.uint16: 30, np.float32: 1 / 255}[dtype]
    pixels, truth = roofs(count)
    pixels = (pixels.astype(float) * scale).astype(dtype)
    found = METHODS[name](reader_of(pixels)).paint(pixels, np.ones(truth.shape, bool)) >= 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.8


@pytest.mark.parametrize("name", BASELINES)
@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=8, deadline=None)
def test_nothing_beyond_the_reach_changes_a_pixel(name, row, col):
    """A window gives what the whole scene gives, but for a rim as wide as the method looks."""
    chance = np.random.default_rng(row * 61 + col)
    pixels = ndimage.gaussian_filter(chance.normal(0, 1, (1, 260, 260)), (0, 2, 2))
    pixels = np.clip(128 + 150 * pixels, 0, 255).astype(np.uint8)
    valid = chance.random((260, 260)) > 0.001
    fitted = METHODS[name](reader_of(pixels, valid))
    whole = fitted.paint(pixels, valid)
    part_ = fitted.paint(pixels[:, row:, col:], valid[row:, col:])
    inner = slice(fitted.reach, None), slice(fitted.reach, None)
    assert np.array_equal(whole[row:, col:][inner], part_[inner])
    assert 0 < whole.mean() < 1


@pytest.mark.parametrize("name", BASELINES)
def test_tiles_do_not_change_a_result(name, make_raster):
    """The walk gives the same map whatever the tile, and verify finds no difference."""
    pixels, _ = roofs(3, 300)
    path = make_raster(pixels, transform=METRE, crs="EPSG:32631")
    maps = []
    for tile in ("auto", 256):
        whole = np.zeros((1, 300, 300), np.float32)
        options = PredictOptions(plan=PlanOptions(tile=tile))
        for window, p in stream(path, name, options):
            rows, cols = window.toslices()
            whole[:, rows, cols] = p
        maps.append(whole)
    assert np.array_equal(*maps)
    assert verify(path, PredictOptions(model=name, plan=PlanOptions(tile=256))).max_difference == 0


def test_a_scene_is_read_in_windows_for_its_statistic(monkeypatch):
    """The histogram counts each pixel with data once, as one pass over the whole would."""
    pixels, _ = roofs(2, 300)
    valid = np.random.default_rng(0).random((300, 300)) > 0.3
    monkeypatch.setattr("geounet.preview._BUDGET", 4096)
    reader = reader_of(pixels, valid)
    blur = lambda grey, _: ndimage.uniform_filter(grey, 5)  # noqa: E731
    scale = Scale(0, 255, 256)
    counts = histogram(reader, scale, blur, 2)
    assert len(reader.asked) > 4
    expected = np.rint(blur(scale.grey(pixels), valid)[valid] * 255).astype(int)
    assert np.abs(counts - np.bincount(expected, minlength=256)).sum() <= 2  # a tie of rounding


def test_the_scale_of_a_scene_is_its_range():
    """Bytes are 0–255; of others the least and the largest value with data count."""
    assert scale_of(reader_of(roofs()[0])).high == 255
    pixels = np.array([[[5, 900], [100, 60_000]]], np.uint16)
    found = scale_of(reader_of(pixels, np.array([[True, True], [True, False]])))
    assert (found.low, found.high) == (5, 900)


@given(st.integers(0, 2**16 - 1), st.integers(1, 5))
def test_parts_that_fit_are_small(bits, largest):
    """A 4-connected part is small when neither side of its box is longer than asked."""
    mask = np.array([bits >> at & 1 for at in range(16)], bool).reshape(4, 4)
    labels, _ = ndimage.label(mask)
    kept = small(mask, largest)
    for at, (rows, cols) in enumerate(ndimage.find_objects(labels)):
        fits = max(rows.stop - rows.start, cols.stop - cols.start) <= largest
        assert (kept[labels == at + 1] == fits).all()
    assert not (kept & ~mask).any()


def test_water_meets_at_the_crest():
    """Between a dark and a bright marker the border is the steepest pixel, which ties decide."""
    steep = np.array([[0.0, 0.01, 0.02, 0.3, 0.02, 0.0]], np.float32)
    dark, bright = (np.array([[at == end for at in range(6)]]) for end in (0, 5))
    between = ~(dark | bright)
    for sure in (True, False):
        won = flooded(steep, between, dark, bright, np.full((1, 6), sure))
        assert won.tolist() == [[False, False, False, sure, True, False]]


def test_edges_fill_what_they_enclose():
    """A closed ring is filled, a hole too large for the method is not."""
    ring = np.full((1, 200, 200), 60, np.uint8)
    for low, high in ((20, 40), (60, 180)):
        ring[:, low:high, low:high] = 200
        ring[:, low + 4 : high - 4, low + 4 : high - 4] = 60
    fitted = METHODS["edges"](reader_of(ring))
    p = fitted.paint(ring, np.ones((200, 200), bool))
    assert p[30, 30] == 1
    assert p[120, 120] == 0


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("kind", ["alike", "void"])
def test_a_scene_with_nothing_to_part_has_no_building(name, kind):
    """One value everywhere, or no data, gives an empty map and no error."""
    pixels, valid = np.full((1, 64, 64), 9, np.uint8), np.full((64, 64), kind == "alike")
    step = baseline(name).fitted(reader_of(pixels, valid))
    assert not (step(pixels[None], valid[None])["probability"] >= 0.5).any()


def test_footprints_come_out_of_the_command(make_raster, tmp_path, capsys):
    """`predict -m otsu` writes footprints; what makes no sense is refused in one line."""
    path = make_raster(roofs(5)[0], transform=METRE, crs="EPSG:32631")
    words = ["predict", str(path), "-o", str(tmp_path / "out.gpkg"), "-q", "-m", "otsu"]
    assert main([*words, "--json"]) == 0
    out = capsys.readouterr().out
    assert '"backend": "scipy"' in out
    for more, told in (
        (["--scale", "0,1"], "takes its scale from the scene; leave --scale out"),
        (["--backend", "onnx"], "leave --backend onnx out"),
        (["--device", "cuda"], "runs on cpu; leave --device cuda out"),
        (["-m", "buildings"], "otsu is asked alone"),
    ):
        assert main([*words, "-f", *more]) == 2
        error = capsys.readouterr().err
        assert told in error
        assert error.count("\n") == 1


def test_a_baseline_is_no_file():
    """What needs weights is told that there are none."""
    with pytest.raises(ModelError, match="otsu is a baseline without weights"):
        find_model("otsu")
    assert baseline("buildings") is None


def test_a_baseline_costs_no_torch(make_raster):
    """A whole run of it never imports torch."""
    path = make_raster(roofs(3)[0], transform=METRE, crs="EPSG:32631")
    code = (
        "import sys; from geounet.predict import stream\n"
        f"print(sum(1 for _ in stream({str(path)!r}, 'edges')), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
