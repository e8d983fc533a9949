"""Rules of parting blobs: what is parted, where, and what every part knows of itself."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window
from scipy import ndimage
from strategies import masks

from geounet.footprints.corners import trace_cell
from geounet.footprints.outlined import Outlined
from geounet.footprints.outlines.neighbours import Outliner
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.outlines.workers import Workers
from geounet.footprints.parts.basins import basins
from geounet.footprints.parts.cut import _whole
from geounet.footprints.parts.part import Parter
from geounet.footprints.parts.store import Store
from geounet.footprints.place import place
from geounet.footprints.rings import concatenate
from geounet.footprints.spool import Spool
from geounet.footprints.trace import Tracer
from geounet.vectorize import VectorizeOptions, vectorize

PIXELS = Affine.identity()
UTM = Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)
SURE = 254


def traced(q):
    """Return the footprints of one plane of q."""
    labels = np.where(q == 255, q, q >= 127).astype(np.uint8)
    tracer = Tracer(q.shape, 1)
    batch = [tracer.add_strip([trace_cell(labels, q[None], 1)]), tracer.finish()]
    return concatenate(batch)


def parted(q, folder, kind="regular", *, split=True, least=0):
    """Return what is drawn of a plane of q."""
    options = OutlineOptions(kind=kind, tolerance_m=None, transform=PIXELS, crs=None, split=split)
    folder.mkdir(exist_ok=True)
    with Spool(folder / "s") as spool, Store(folder / "q.bin", 1, q.shape) as store:
        spool.append(traced(q))
        store.write(q[None], Window(0, 0, *q.shape[::-1]))
        parter = Parter(store=store, transform=PIXELS, crs=None, least_m2=0.0, least_pixels=least)
        outliner = Outliner(
            spool, lambda each: each, options, q.shape, Workers(1).begin, parter if split else None
        )
        return Outlined.chained([each for _, each in outliner(spool.chunks())])


def two_houses(*, dip=SURE, neck=0):
    """Return q of two houses of 24 by 20 pixels, wall to wall or with a neck between them."""
    q = np.zeros((40, 80 + neck), np.uint8)
    q[8:32, 10:30] = q[8:32, 30 + neck : 50 + neck] = SURE
    q[16:22, 30 : 30 + neck] = SURE
    if dip < SURE:
        q[8:32, 29:31] = dip
    return q


def assert_sound(outlines):
    """Outlines are valid polygons, and no two overlap."""
    assert shapely.is_valid(outlines).all()
    assert (shapely.get_type_id(outlines) == shapely.GeometryType.POLYGON).all()
    left, right = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    both = left < right
    shared = shapely.area(shapely.intersection(outlines[left[both]], outlines[right[both]]))
    assert (shared == 0).all()


@given(masks((30, 40)), st.integers(0, 2**16), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_parts_partition_a_blob(mask, seed, least):
    """Every pixel of a blob is in one part, a part hangs together and has the least size."""
    blobs, count = ndimage.label(np.kron(mask, np.ones((2, 2))))
    q = np.random.default_rng(seed).integers(127, 255, blobs.shape).astype(np.uint8)
    for blob in range(1, min(count, 3) + 1):
        inside = np.pad(blobs == blob, 1)
        labels = basins(inside, np.pad(q, 1), (1.0, 1.0), least)
        assert ((labels > 0) == inside).all()
        assert set(np.unique(labels[inside])) == set(range(1, labels.max() + 1))
        for part in range(1, labels.max() + 1):
            assert ndimage.label(labels == part)[1] == 1
            assert labels.max() == 1 or (labels == part).sum() >= least


@given(masks((24, 24)), st.integers(0, 2**16), st.sampled_from(["regular", "smooth", "pixel"]))
@settings(max_examples=40, deadline=None)
def test_parts_are_the_blob_and_do_not_overlap(tmp_path_factory, mask, seed, kind):
    """Of any blob and any kind of outline, parts are valid, apart, and the blob's together."""
    mask[0, 0], rng = True, np.random.default_rng(seed)
    q = np.kron(mask, np.ones((4, 4))) * rng.integers(127, 255, (96, 96))
    folder = tmp_path_factory.mktemp("p")
    parts = parted(q.astype(np.uint8), folder / "a", kind)
    whole = parted(q.astype(np.uint8), folder / "b", kind, split=False)
    assert_sound(parts.polygons)
    assert_sound(place(parts.polygons, UTM))
    assert len(parts) >= len(whole)
    areas = [float(shapely.area(each.polygons).sum()) for each in (parts, whole)]
    assert areas[0] == pytest.approx(areas[1], abs=shapely.length(whole.polygons).sum() / 256)


@pytest.mark.parametrize("q", [two_houses(dip=170), two_houses(neck=6)], ids=["dip", "neck"])
@pytest.mark.parametrize("kind", ["regular", "smooth", "pixel"])
def test_two_houses_are_parted_along_a_straight_wall(tmp_path, q, kind):
    """Houses that a neck or a doubtful wall joins are parted there, and touch along a line."""
    found = parted(q, tmp_path, kind)
    assert len(found) == 2
    assert_sound(found.polygons)
    wall = shapely.line_merge(shapely.intersection(*found.polygons))
    assert wall.geom_type == "LineString"
    assert 5 <= wall.length <= 25
    assert len(wall.simplify(1e-9).coords) == 2
    assert abs(np.diff(shapely.area(found.polygons))[0]) < 60


def test_one_building_stays_whole(tmp_path):
    """A box, an L, a U and a disc of even probability are one building each."""
    q = np.zeros((160, 160), np.uint8)
    q[10:50, 10:70] = SURE
    q[10:70, 90:110] = q[50:70, 90:150] = SURE
    q[80:140, 10:70] = SURE
    q[80:120, 30:50] = 0
    rows, cols = np.ogrid[:160, :160]
    q[(rows - 115) ** 2 + (cols - 115) ** 2 < 30**2] = SURE
    assert len(parted(q, tmp_path)) == 4


def test_a_turned_row_of_houses_is_parted_across(tmp_path):
    """Walls between houses of a turned row are at right angles to its front."""
    turn = np.radians(27)
    rows, cols = np.mgrid[:140, :160] - np.array([70, 80])[:, None, None]
    along = cols * np.cos(turn) + rows * np.sin(turn)
    across = rows * np.cos(turn) - cols * np.sin(turn)
    q = np.where((np.abs(along) < 60) & (np.abs(across) < 15), 250, 0)
    q[(q > 0) & (np.abs(np.abs(along) - 20) < 1)] = 160
    found = parted(q.astype(np.uint8), tmp_path)
    assert len(found) == 3
    assert_sound(found.polygons)
    left, right = np.triu_indices(3, 1)
    walls = shapely.line_merge(shapely.intersection(found.polygons[left], found.polygons[right]))
    walls = walls[shapely.length(walls) > 0]
    assert len(walls) == 2
    for wall in walls:
        way = np.diff(shapely.get_coordinates(wall)[[0, -1]], axis=0)[0]
        assert abs(way @ (np.cos(turn), np.sin(turn))) / np.hypot(*way) < np.sin(np.radians(2))


def test_parts_have_figures_of_their_own(tmp_path):
    """Confidence is the mean of a part's own pixels; only what lies at the edge touches it."""
    q = two_houses(dip=170)
    q[8:32, 10:29] = 240
    q[:, :10] = 255
    found = parted(q, tmp_path)
    left, right = np.argsort(shapely.bounds(found.polygons)[:, 0])
    assert found.touches_edge[[left, right]].tolist() == [True, False]
    houses = q[8:32, 10:30], q[8:32, 30:50]
    mean = [float(house.mean()) / SURE for house in houses]
    assert found.confidence[[left, right]] == pytest.approx(mean, abs=0.02)


def test_no_part_is_smaller_than_what_is_wanted(tmp_path):
    """Where a part would be too small for a row, the blob stays whole: no building is lost."""
    q = two_houses(dip=170)
    assert len(parted(q, tmp_path / "a", least=470)) == 2
    assert len(parted(q, tmp_path / "b", least=490)) == 1


@pytest.mark.parametrize("strip", [7, 64, None])
@pytest.mark.parametrize("probability", [True, False])
def test_strips_change_nothing(make_raster, tmp_path, monkeypatch, strip, probability):
    """Parted footprints are the same for every strip height, and a mask has them too."""
    rng = np.random.default_rng(3)
    field = ndimage.gaussian_filter(rng.standard_normal((200, 150)), 5)
    field = 0.5 + field / np.ptp(field) * 1.5
    raster = field.clip(0, 1).astype(np.float32) if probability else (field > 0.5).astype(np.uint8)
    path = make_raster(raster, transform=Affine(0.3, 0, 5e5, 0, -0.3, 5e6))

    def table(name, **options):
        vectorize(path, tmp_path / name, VectorizeOptions(split=True, **options))
        return geopandas.read_file(tmp_path / name, layer="buildings")

    expected, found = table("a.gpkg", strip=33), table("b.gpkg", strip=strip)
    assert expected.equals(found)
    assert_sound(found.geometry.to_numpy())
    whole = tmp_path / "c.gpkg"
    assert vectorize(path, whole) < len(found)
    assert found["confidence"].isna().all() == (not probability)


@given(st.integers(0, 2**16), st.integers(-3, 20), st.integers(-3, 20))
@settings(deadline=None)
def test_the_store_gives_back_windows(tmp_path_factory, seed, row, col):
    """What was written is read; the rest, and all outside the raster, is nodata."""
    rng = np.random.default_rng(seed)
    q = rng.integers(0, 256, (2, 16, 18)).astype(np.uint8)
    with Store(tmp_path_factory.mktemp("p") / "q.bin", 2, (20, 18)) as store:
        store.write(q[:, :, :10], Window(0, 0, 10, 16))
        store.write(q[:, :, 10:], Window(10, 0, 8, 16))
        framed = np.pad(q, ((0, 0), (3, 20), (3, 20)), constant_values=255)
        for plane in (0, 1):
            expected = framed[plane, row + 3 : row + 10, col + 3 : col + 12]
            assert (store.read(plane, row, col, (7, 9)) == expected).all()


def test_a_face_that_touches_none_ends_the_cut():
    """Where rounding closed a neck and left a face alone, the blob stays whole."""
    faces = np.array(
        [shapely.box(0, 0, 9, 9), shapely.box(9, 0, 18, 9), shapely.box(18, 9, 20, 11)]
    )
    assert _whole(faces, np.array([1, 2, 0]), 4).tolist() == [1, 1, 1]
    assert _whole(faces[:2], np.array([1, 0]), 4).tolist() == [1, 1]
