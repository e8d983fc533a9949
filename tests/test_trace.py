"""Rules of tracing: equal to rasterio's polygons, whatever the cuts."""

from __future__ import annotations

import itertools
from io import BytesIO

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from rasterio import features
from scipy import ndimage

from geounet.errors import GridError
from geounet.footprints.corners import CellTrace, trace_cell
from geounet.footprints.rings import concatenate
from geounet.footprints.trace import Tracer

FIELDS = (
    "coords",
    "ring_offsets",
    "polygon_offsets",
    "class_index",
    "pixels",
    "q_sum",
    "touches_edge",
)


def spans(size, cuts):
    """Return the (start, stop) between some cuts of a size."""
    inner = sorted({cut for cut in cuts if 0 < cut < size})
    return list(zip([0, *inner], [*inner, size], strict=True))


def trace(labels, q=None, classes=1, row_cuts=(), col_cuts=(), rng=None):
    """Trace labels cut at some rows and columns, the cells made in random order and reloaded."""
    strips = [(top, end) for top, end in spans(labels.shape[0], row_cuts)]
    windows = [(rows, cols) for rows in strips for cols in spans(labels.shape[1], col_cuts)]
    if rng is not None:
        rng.shuffle(windows)
    cells = {}
    for rows, cols in windows:
        at = np.s_[rows[0] : rows[1], cols[0] : cols[1]]
        part = None if q is None else q[:, *at]
        cells[rows, cols] = trace_cell(labels[at], part, classes)
    tracer = Tracer(labels.shape, classes)
    batches = [
        tracer.add_strip([cells[rows, cols] for cols in spans(labels.shape[1], col_cuts)])
        for rows in strips
    ]
    return concatenate([*batches, tracer.finish()])


def rings_of(footprints):
    """Return the set of (class, exterior, holes) of a batch."""
    ends, parts = footprints.ring_offsets, footprints.polygon_offsets
    rings = [
        tuple(map(tuple, footprints.coords[a:b].tolist())) for a, b in itertools.pairwise(ends)
    ]
    return {
        (int(at), rings[a], tuple(rings[a + 1 : b]))
        for at, a, b in zip(footprints.class_index, parts[:-1], parts[1:], strict=True)
    }


def rings_of_rasterio(labels):
    """Return the same set from rasterio, with rings and holes in canonical order."""

    def turned(ring):
        points = [(int(y), int(x)) for x, y in ring[:-1]]
        start = points.index(min(points))
        return tuple(points[start:] + points[:start])

    found = features.shapes(labels, mask=(labels > 0) & (labels < 255), connectivity=4)
    rings = [(int(value) - 1, *map(turned, shape["coordinates"])) for shape, value in found]
    return {(at, exterior, tuple(sorted(holes))) for at, exterior, *holes in rings}


def oracle(labels, q, footprints):
    """Return pixels, sum of q and touches_edge of each polygon by labelling components."""
    void = np.pad(labels == 255, 1, constant_values=True)
    near = void[:-2, 1:-1] | void[2:, 1:-1] | void[1:-1, :-2] | void[1:-1, 2:]
    pixels, sums, edge = [], [], []
    for at, (row, col) in zip(footprints.class_index, footprints.first, strict=True):
        component, _ = ndimage.label(labels == at + 1)
        inside = component == component[row, col]
        pixels.append(inside.sum())
        sums.append(q[at][inside].sum(dtype=np.int64))
        edge.append(near[inside].any())
    return pixels, sums, edge


@st.composite
def scenes(draw, largest=9):
    """Draw labels with q, the number of classes, and cuts along rows and columns."""
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    classes = draw(st.integers(1, 3))
    values = st.sampled_from([*range(classes + 1), *draw(st.sampled_from([[], [255], [1, 1]]))])
    labels = draw(npst.arrays(np.uint8, shape, elements=values, fill=st.nothing()))
    q = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 255, (classes, *shape))
    cuts = st.lists(st.integers(1, largest), max_size=4)
    return labels, q.astype(np.uint8), classes, draw(cuts), draw(cuts)


@given(scenes())
@settings(max_examples=400, deadline=None)
def test_polygons_equal_rasterio(scene):
    """The polygons of cells cut anywhere are those of rasterio on the whole, 4-connected."""
    labels, q, classes, row_cuts, col_cuts = scene
    assert rings_of(trace(labels, q, classes, row_cuts, col_cuts)) == rings_of_rasterio(labels)


@given(scenes())
@settings(max_examples=200, deadline=None)
def test_bytes_do_not_depend_on_cuts(scene):
    """Once in order, every array of the result is the same for any cuts."""
    labels, q, classes, row_cuts, col_cuts = scene
    whole = trace(labels, q, classes).ordered()
    parts = trace(labels, q, classes, row_cuts, col_cuts, np.random.default_rng(0)).ordered()
    for name in FIELDS:
        assert getattr(whole, name).tobytes() == getattr(parts, name).tobytes(), name
        assert getattr(whole, name).dtype == getattr(parts, name).dtype, name


@given(scenes())
@settings(max_examples=200, deadline=None)
def test_sums_and_edges_equal_brute_force(scene):
    """Pixels, sum of q and touches_edge are those of the labelled component."""
    labels, q, classes, row_cuts, col_cuts = scene
    footprints = trace(labels, q, classes, row_cuts, col_cuts)
    pixels, sums, edge = oracle(labels, q, footprints)
    assert footprints.pixels.tolist() == pixels
    assert footprints.q_sum.tolist() == sums
    assert footprints.touches_edge.tolist() == edge


@given(scenes())
@settings(max_examples=200, deadline=None)
def test_rasterize_gives_the_mask_back(scene):
    """Valid polygons, rasterised, are the labels they came from."""
    labels, q, classes, row_cuts, col_cuts = scene
    footprints = trace(labels, q, classes, row_cuts, col_cuts)
    polygons = footprints.polygons()
    assert shapely.is_valid(polygons).all()
    foreground = np.where(labels == 255, 0, labels)
    shapes = [(p, c + 1) for p, c in zip(polygons, footprints.class_index.tolist(), strict=True)]
    painted = features.rasterize(shapes, labels.shape, dtype=np.uint8) if shapes else foreground * 0
    assert np.array_equal(painted, foreground)
    assert np.array_equal(shapely.area(polygons), footprints.pixels)


def test_every_small_mask():
    """All masks of 3 rows and 4 columns are traced right, in one piece and row by row."""
    bits = (np.arange(4096)[:, None] >> np.arange(12)) & 1
    sheet = np.zeros((64, 4, 64, 5), np.uint8)
    sheet[:, :3, :, :4] = bits.reshape(64, 64, 3, 4).transpose(0, 2, 1, 3)
    labels = sheet.reshape(256, 320)
    expected = rings_of_rasterio(labels)
    assert rings_of(trace(labels)) == expected
    assert rings_of(trace(labels, None, 1, range(256), range(2, 320, 3))) == expected


@pytest.mark.parametrize("share", [0.3, 0.5, 0.62])
def test_noise(share):
    """Noise full of saddles, nested holes and long outlines is traced as rasterio does."""
    rng = np.random.default_rng(7)
    labels = (rng.random((300, 400)) < share).astype(np.uint8)
    cuts = rng.integers(1, 300, 6), rng.integers(1, 400, 3)
    footprints = trace(labels, None, 1, *cuts)
    assert rings_of(footprints) == rings_of_rasterio(labels)
    assert footprints.pixels.sum() == labels.sum()


def test_nested_frames_through_many_strips():
    """Frames within frames, open over every strip, keep the holes that are theirs."""
    rows, cols = np.ogrid[:61, :61]
    labels = (np.maximum(abs(rows - 30), abs(cols - 30)) % 2 == 0).astype(np.uint8)
    footprints = trace(labels, None, 1, range(1, 61), [20, 40])
    assert rings_of(footprints) == rings_of_rasterio(labels)
    assert len(footprints) == 16


def test_memory_holds_only_what_is_open():
    """A polygon is handed out with the strip that shows it closed, not later."""
    labels = np.zeros((8, 3), np.uint8)
    labels[1, 1] = labels[5, 1] = 1
    tracer = Tracer(labels.shape, 1)
    strips = [tracer.add_strip([trace_cell(labels[at : at + 2], None, 1)]) for at in (0, 2, 4, 6)]
    assert [len(batch) for batch in [*strips, tracer.finish()]] == [0, 1, 0, 1, 0]


def test_canonical_form():
    """A ring starts at its smallest vertex, goes down first outside and right first inside."""
    labels = np.ones((3, 3), np.uint8)
    labels[1, 1] = 0
    footprints = trace(labels)
    assert footprints.coords.tolist() == [
        [0, 0], [3, 0], [3, 3], [0, 3],
        [1, 1], [1, 2], [2, 2], [2, 1],
    ]  # fmt: skip
    assert footprints.vertices.tolist() == [8]
    assert footprints.bounds.tolist() == [[0, 0, 3, 3]]


def test_plain_mask_has_no_confidence():
    """Without q the confidence is not a number; with q it is the mean probability."""
    labels = np.ones((1, 2), np.uint8)
    assert np.isnan(trace(labels).confidence).all()
    q = np.array([[[254, 127]]], np.uint8)
    assert trace(labels, q).confidence.tolist() == [0.75]


@pytest.mark.parametrize("value", [0, 255])
def test_nothing_to_trace(value):
    """A raster without foreground gives an empty batch of the right types."""
    empty = trace(np.full((4, 5), value, np.uint8), None, 2, [2])
    assert len(empty) == 0
    assert empty.bounds.shape == (0, 4)
    assert len(empty.polygons()) == 0
    assert len(empty.ordered()) == 0


def test_cells_survive_the_disk():
    """A cell that was saved and loaded is the same, and nothing in the file is unpickled."""
    rng = np.random.default_rng(3)
    labels = rng.choice([0, 1, 2, 255], (6, 7)).astype(np.uint8)
    cell = trace_cell(labels, rng.integers(0, 255, (2, 6, 7)).astype(np.uint8), 2)
    file = BytesIO()
    cell.save(file)
    file.seek(0)
    again = CellTrace.load(file)
    for name, value in vars(cell).items():
        assert np.array_equal(value, getattr(again, name)), name
        assert value.dtype == getattr(again, name).dtype, name


def test_wrong_strips_are_refused():
    """Cells that do not fill the next strip, and a raster with rows missing, are named."""
    cell = trace_cell(np.zeros((2, 3), np.uint8), None, 1)
    with pytest.raises(GridError, match="fill 4 columns"):
        Tracer((2, 4), 1).add_strip([cell])
    with pytest.raises(GridError, match="below the raster's 1 rows"):
        Tracer((1, 3), 1).add_strip([cell])
    with pytest.raises(GridError, match="0 of 2 rows"):
        Tracer((2, 3), 1).finish()
    scored = trace_cell(np.zeros((2, 3), np.uint8), np.zeros((1, 2, 3), np.uint8), 1)
    with pytest.raises(GridError, match="cannot be mixed"):
        Tracer((2, 6), 1).add_strip([cell, scored])
