"""Rules of the outlines: what they keep, what they recover, and that they keep apart."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.features import rasterize
from strategies import masks

from geounet.errors import OptionError
from geounet.footprints.corners import trace_cell
from geounet.footprints.outlined import Outlined
from geounet.footprints.outlines.contour import contours
from geounet.footprints.outlines.ground import ground_at
from geounet.footprints.outlines.mend import mended
from geounet.footprints.outlines.neighbours import AHEAD, Outliner
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.outlines.polygons import sound
from geounet.footprints.outlines.workers import Workers
from geounet.footprints.place import place
from geounet.footprints.rings import concatenate, nothing
from geounet.footprints.spool import Spool
from geounet.footprints.trace import Tracer

PLAIN = OutlineOptions(
    kind="regular", tolerance_m=None, transform=Affine.scale(0.3, -0.3), crs=None
)
METRES = replace(PLAIN, transform=Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000), crs=CRS(32633))
SAMPLE = Path(__file__).parents[1] / "sample_data" / "town.tif"
OTSU = 266
"""Sum of its bands from which a pixel is bright."""
L_SHAPE = np.array([(0, 0), (60, 0), (60, 22), (26, 22), (26, 40), (0, 40)], float)
RECTANGLE = np.array([(0, 0), (50, 0), (50, 30), (0, 30)], float)
CHAMFERED = np.array([(0, 0), (50, 0), (50, 25), (38, 37), (0, 37)], float)


def traced(labels, classes=1):
    """Return all footprints of labels."""
    tracer = Tracer(labels.shape, classes)
    return concatenate([tracer.add_strip([trace_cell(labels, None, classes)]), tracer.finish()])


def painted(shapes, size=(120, 120)):
    """Return labels: the pixels whose middle lies in one of some shapes."""
    return rasterize([(shape, 1) for shape in shapes], out_shape=size, dtype="uint8")


def placed(points, degrees=0.0, at=(60.3, 59.6)):
    """Return a shape turned about its middle and put somewhere."""
    turn = np.radians(degrees)
    cos, sin = np.cos(turn), np.sin(turn)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return shapely.Polygon((points - middle) @ np.array([[cos, sin], [-sin, cos]]) + at)


def outlined(batch, folder, options=PLAIN, size=None, begin=None, shape=(9999, 9999)):
    """Return the outlines of a batch, in pieces of some size, and which are regular."""
    with Spool(folder) as spool:
        spool.append(batch)
        outliner = Outliner(spool, lambda each: each, options, shape, begin or Workers(1).begin)
        made = [each for _, each in outliner(spool.chunks(size=size or 50_000))]
    whole = Outlined.chained(made)
    return whole.polygons, whole.regularized


def one(shape, folder, options=PLAIN):
    """Return the outline of a single shape."""
    (outline,), (regular,) = outlined(traced(painted([shape])), folder, options)
    assert regular
    return outline


def iou(one_, other):
    """Return intersection over union."""
    return shapely.intersection(one_, other).area / shapely.union(one_, other).area


def corners(polygon):
    """Return the number of corners of an exterior."""
    return len(polygon.exterior.coords) - 1


def bends(polygon):
    """Return by how much each corner of all rings differs from 90°, in degrees."""
    found = []
    for ring in (polygon.exterior, *polygon.interiors):
        way = np.diff(np.array(ring.coords), axis=0)
        angle = np.arctan2(way[:, 1], way[:, 0])
        found.append((np.degrees(np.diff(angle, append=angle[0])) + 45) % 90 - 45)
    return np.abs(np.concatenate(found))


def assert_sound(outlines):
    """Outlines are valid polygons, and no two overlap."""
    assert shapely.is_valid(outlines).all()
    assert (shapely.get_type_id(outlines) == shapely.GeometryType.POLYGON).all()
    left, right = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    both = left < right
    shared = shapely.area(shapely.intersection(outlines[left[both]], outlines[right[both]]))
    assert (shared == 0).all()


@pytest.mark.parametrize("shape", [RECTANGLE, L_SHAPE], ids=["rectangle", "L"])
@pytest.mark.parametrize("degrees", [0, 3, 17, 30, 45, 61, 88])
def test_ideal_shapes_are_recovered_at_any_angle(tmp_path, shape, degrees):
    """A painted right-angled building comes back with its corners, each within a pixel."""
    truth = placed(shape, degrees)
    found = one(truth, tmp_path)
    assert corners(found) == len(shape)
    assert bends(found).max() < 1e-6
    assert iou(found, truth) > 0.955  # painting moves an upright wall by up to half a pixel
    assert shapely.hausdorff_distance(found, truth) < 0.9


def test_upright_rectangles_are_exact(tmp_path):
    """A rectangle on the pixels' own edges stays where it is, and is regular."""
    found = one(shapely.box(20, 30, 70, 61), tmp_path)
    assert corners(found) == 4
    assert shapely.hausdorff_distance(found, shapely.box(20, 30, 70, 61)) < 1e-6


def test_chamfers_and_circles_are_kept(tmp_path):
    """A cut corner stays cut at 45°, and a round building stays round."""
    truth = placed(CHAMFERED, 20)
    found = one(truth, tmp_path / "chamfered")
    assert corners(found) == 5
    assert iou(found, truth) > 0.97
    disc = shapely.Point(60.2, 59.7).buffer(22, quad_segs=32)
    found = one(disc, tmp_path / "disc")
    assert iou(found, disc) > 0.97
    assert corners(found) >= 12
    away = shapely.distance(shapely.points(shapely.get_coordinates(found)), found.centroid)
    assert np.ptp(away) < 1e-6


def test_courtyards_are_kept_at_the_same_angle(tmp_path):
    """A courtyard stays, lies inside, and is parallel to the walls around it."""
    yard = placed(RECTANGLE * 0.4, 25)
    truth = shapely.difference(placed(RECTANGLE * 1.2, 25), yard)
    found = one(truth, tmp_path)
    assert len(found.interiors) == 1
    assert bends(found).max() < 1e-6
    outer, inner = (
        np.diff(np.array(ring.coords)[:2], axis=0)[0] for ring in (found.exterior, *found.interiors)
    )
    between = np.degrees(np.arctan2(*outer) - np.arctan2(*inner))
    assert abs((between + 45) % 90 - 45) < 1e-6
    assert iou(found, truth) > 0.96


def test_a_regular_outline_stays_what_it_is(tmp_path):
    """Painted again and drawn again, an outline hardly moves and keeps its corners."""
    first = one(placed(L_SHAPE, 33), tmp_path / "a")
    second = one(first, tmp_path / "b")
    assert corners(second) == corners(first)
    assert shapely.hausdorff_distance(first, second) < 0.6


@pytest.mark.parametrize("seed", range(6))
def test_turned_masks_give_turned_outlines(tmp_path, seed):
    """A mask turned by 90°, mirrored or moved has the outlines turned, mirrored or moved."""
    rng = np.random.default_rng(seed)
    labels = painted([placed(L_SHAPE, rng.uniform(0, 90))])
    labels |= painted([placed(RECTANGLE * 0.4, rng.uniform(0, 90), (20, 20))])
    labels[rng.random(labels.shape) < 0.1] = 0

    def areas(name, changed):
        found, _ = outlined(traced(np.ascontiguousarray(changed)), tmp_path / name)
        return sorted(shapely.area(found).round(6))

    whole = areas("whole", labels)
    assert areas("moved", np.pad(labels, ((5, 0), (0, 3)))) == pytest.approx(whole, abs=1e-6)
    for name, changed in (("turned", np.rot90(labels)), ("mirrored", labels[:, ::-1])):
        assert areas(name, changed) == pytest.approx(whole, abs=1e-3)


@given(masks((40, 40)), st.sampled_from(["regular", "smooth", "pixel"]), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_every_outline_is_valid_and_apart(tmp_path_factory, mask, kind, scale):
    """Of any mask and any kind, outlines are valid and no two share ground."""
    labels = np.kron(mask, np.ones((scale, scale))).astype(np.uint8)
    batch = traced(labels)
    if len(batch):
        folder = tmp_path_factory.mktemp("o")
        outlines, regular = outlined(batch, folder, replace(PLAIN, kind=kind))
        assert_sound(outlines)
        assert kind == "regular" or not regular.any()


def test_what_is_valid_in_pixels_is_so_on_the_map(tmp_path):
    """A stalk one pixel wide has a spike without width, which a map's rounding would close."""
    spike = [(25.5, 367.5728503866865), (25.7, 368.5), (25.5, 367.57285038668647)]
    thin = shapely.Polygon([(23.5, 370.5), (23.5, 367.5), *spike, (26.5, 371.5)])
    assert shapely.is_valid(thin)
    assert sound(np.array([thin, thin.envelope, None], object)).tolist() == [False, True, False]
    with rasterio.open(SAMPLE) as file:
        labels = (file.read().sum(axis=0, dtype=int) >= OTSU).astype(np.uint8)
    batch = traced(labels)
    batch = batch.take(np.flatnonzero(batch.pixels >= 89))
    outlines, _ = outlined(batch, tmp_path, replace(METRES, kind="smooth"))
    assert shapely.is_valid(place(outlines, Affine(0.3, 0, 512_000, 0, -0.3, 5_403_000))).all()


def town(seed, size=260):
    """Return labels of buildings with crooked walls, some a pixel apart, some of a second class."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.uint8)
    for _ in range(70):
        width, height = rng.uniform(6, 40, 2)
        box = np.array([(0, 0), (width, 0), (width, height), (0, height)])
        shape = placed(box, rng.uniform(0, 90), rng.uniform(10, size - 10, 2))
        free = (painted([shape], labels.shape) == 1) & (labels == 0)
        labels[free] = rng.integers(1, 3)
    labels[rng.random(labels.shape) < 0.02] = 0
    return labels


def test_of_two_that_meet_the_larger_keeps_its_outline(tmp_path):
    """Where two regular outlines would overlap, the larger object's stays regular."""
    labels = painted([placed(RECTANGLE, 20, (40, 50))])
    labels |= painted([placed(RECTANGLE * 0.6, 65, (80, 60))]) & (np.arange(120) > 66)
    labels[:, 63:67][labels[:, 63:67] > 0] = 0
    batch = traced(labels)
    outlines, regular = outlined(batch, tmp_path)
    assert_sound(outlines)
    assert regular[shapely.area(outlines).argmax()]


@given(st.integers(0, 40), st.integers(0, 120), st.integers(1, 9))
@settings(deadline=None)
def test_the_spool_knows_what_lies_beside(tmp_path_factory, seed, reach, size):
    """Beside a batch are the other polygons whose bounds come within reach of one of its own."""
    rng = np.random.default_rng(seed)
    batch = traced((rng.random((30, 40)) < 0.2).astype(np.uint8) * rng.integers(1, 3, (30, 40)), 2)
    with Spool(tmp_path_factory.mktemp("o")) as spool:
        spool.append(batch)
        part = next(spool.chunks(size=size))
        found = spool.beside(part, reach / 4)
    one_, other = batch.bounds[:, None], part.bounds[None]
    gap = np.maximum(one_[..., :2] - other[..., 2:], other[..., :2] - one_[..., 2:])
    near = (gap <= reach / 4).all(axis=2).any(axis=1)
    expected = {tuple(at) for at in batch.take(np.flatnonzero(near)).first.tolist()}
    got = [tuple(at) for at in found.first.tolist()]
    itself = {tuple(at) for at in part.first.tolist()}
    assert set(got) | itself == expected | itself
    assert len(found) + len(part) == near.sum()


@pytest.mark.parametrize("kind", ["regular", "smooth"])
def test_batches_and_workers_change_nothing(tmp_path, monkeypatch, kind):
    """Outlines are the same whatever the batches, the blocks and the number of processes."""
    batch = traced(town(1), 2)
    options = replace(METRES, kind=kind)
    whole, regular = outlined(batch, tmp_path / "a", options)
    assert_sound(whole)
    assert regular.any() == (kind == "regular")
    monkeypatch.setattr("geounet.footprints.outlines.outline.BLOCK", 7)
    monkeypatch.setattr("geounet.footprints.outlines.workers.WORTHWHILE", 1)
    with Workers(2) as workers:
        for folder, size, begin in (
            ("b", 13, None),
            ("c", None, workers.begin),
            ("d", 13, workers.begin),
        ):
            other, flags = outlined(batch, tmp_path / folder, options, size, begin)
            assert [each.wkb for each in other] == [each.wkb for each in whole]
            assert (flags == regular).all()


def test_outlines_are_in_the_making_while_those_before_are_settled(tmp_path):
    """Batches are begun ahead of the one that is waited for, in order, and each once."""
    workers, told = Workers(1), []

    def begin(batch, options):
        number, wait = sum(what == "begun" for what, _ in told), workers.begin(batch, options)
        told.append(("begun", number))

        def settled():
            told.append(("settled", number))
            return wait()

        return settled

    outlined(traced(town(1), 2), tmp_path, METRES, size=5, begin=begin)
    count = len(told) // 2
    assert count > 2 * AHEAD
    for what in ("begun", "settled"):
        assert [number for which, number in told if which == what] == [*range(count)]
    for number in range(count - AHEAD):
        assert told.index(("begun", number + AHEAD)) < told.index(("settled", number))


def test_work_that_is_given_up_leaves_no_process(monkeypatch):
    """Workers end at once when nobody waits for them any more, whatever they are at."""
    monkeypatch.setattr("geounet.footprints.outlines.outline.BLOCK", 7)
    monkeypatch.setattr("geounet.footprints.outlines.workers.WORTHWHILE", 1)
    processes = []

    def started(*words, _popen=subprocess.Popen, **options):
        processes.append(_popen(*words, **options))
        return processes[-1]

    monkeypatch.setattr("geounet.footprints.outlines.workers.subprocess.Popen", started)
    with Workers(2) as workers:
        workers.begin(traced(town(1), 2), METRES)
    assert all(process.returncode is not None for process in processes)


def test_walls_that_are_shared_stay_shared(tmp_path):
    """Houses of two classes, wall to wall, touch and do not overlap."""
    labels = np.zeros((60, 90), np.uint8)
    labels[20:40, 10:35], labels[22:42, 35:60], labels[20:40, 60:80] = 1, 2, 1
    outlines, _ = outlined(traced(labels, 2), tmp_path)
    assert_sound(outlines)
    assert shapely.intersection(outlines[0], outlines[1]).length == 18


def test_angles_are_those_of_the_ground(tmp_path):
    """In degrees, where a pixel is half as wide as tall, a right angle is one of the ground."""
    transform = Affine(3e-6, 0, 15, 0, -3e-6, 60)
    options = replace(PLAIN, transform=transform, crs=CRS(4326))
    squeeze = np.array([[2.0, 0], [0, 1.0]])  # cos 60° = 1/2
    metric = placed(RECTANGLE, 30, (0, 0))
    truth = shapely.transform(metric, lambda xy: xy @ squeeze * 0.8 + (60, 60))
    found = one(truth, tmp_path, options)
    back = shapely.transform(found, lambda xy: xy @ np.linalg.inv(squeeze))
    assert corners(found) == 4
    assert bends(back).max() < 0.3  # the ellipsoid is no sphere
    assert iou(found, truth) > 0.96


def test_the_ground_of_square_pixels_is_plain():
    """Square pixels are their own plane, their unit a pixel's edge; without a CRS there is none."""
    places = np.array([[0.0, 0.0], [4000.0, 9000.0]])
    ground = ground_at(places, METRES.transform, METRES.crs)
    assert np.allclose(ground.to_plane, np.eye(2), atol=1e-8)
    assert np.allclose(ground.unit_m, 0.3, rtol=1e-3)
    points = np.array([[3.0, 4.0], [5.0, -6.0]])
    skew = ground_at(places, Affine(3e-6, 1e-6, 15, 0, -3e-6, 60), CRS(4326))
    assert np.allclose(skew.pixels(skew.flat(points, np.arange(2)), np.arange(2)), points)
    assert np.isnan(ground_at(places, PLAIN.transform, None).unit_m).all()


def test_the_tolerance_is_kept(tmp_path):
    """A wall that would have to move too far is not straightened: the outline says so."""
    wave = [(x, 30 + 5 * np.sin(x / 3)) for x in np.arange(10.0, 100.0)]
    blob = shapely.Polygon([*wave, (100, 80), (10, 80)])
    batch = traced(painted([blob]))
    for tolerance, expected in ((0.3, False), (3.0, True)):
        (found,), (regular,) = outlined(
            batch, tmp_path / str(tolerance), replace(METRES, tolerance_m=tolerance)
        )
        assert regular == expected
        off = shapely.distance(shapely.points(shapely.get_coordinates(found)), blob.exterior).max()
        assert off * 0.3 < tolerance + 0.4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance_m": 0.0}, "above 0 m"),
        ({"tolerance_m": float("nan")}, "above 0 m"),
        ({"tolerance_m": 1.0, "kind": "pixel"}, "leave it out"),
        ({"tolerance_m": 1.0, "crs": None}, "has no CRS"),
    ],
)
def test_tolerances_without_meaning_are_refused(options, message):
    """A tolerance is a length on the ground, for outlines that move."""
    with pytest.raises(OptionError, match=message):
        replace(METRES, **options)


def test_huge_objects_keep_their_pixels(tmp_path, monkeypatch):
    """An object whose bounds are huge keeps its pixel edges, and its neighbours keep off it."""
    monkeypatch.setattr("geounet.footprints.outlines.outline.HUGE", 2000)
    labels = np.zeros((90, 90), np.uint8)
    labels[2:88, 2:4] = labels[86:88, 2:88] = 1
    labels[20:50, 6:40] = 1
    batch = traced(labels)
    outlines, regular = outlined(batch, tmp_path)
    assert_sound(outlines)
    assert sorted(zip(shapely.area(outlines).round().tolist(), regular.tolist(), strict=True)) == [
        (340.0, False),
        (1020.0, True),
    ]


def test_small_things_have_outlines(tmp_path):
    """One pixel, a line of one pixel and a full raster are drawn; nothing gives nothing."""
    labels = np.zeros((40, 40), np.uint8)
    labels[3, 3] = labels[10, 5:35] = labels[20:38, 20:22] = 1
    outlines, _ = outlined(traced(labels), tmp_path / "small")
    assert_sound(outlines)
    assert len(outlines) == 3
    full, regular = outlined(traced(np.ones((30, 20), np.uint8)), tmp_path / "full")
    assert shapely.equals_exact(full[0].normalize(), shapely.box(0, 0, 20, 30).normalize(), 1e-6)
    assert regular.all()
    with Spool(tmp_path / "none") as spool:
        outliner = Outliner(spool, lambda each: each, PLAIN, (9, 9), Workers(1).begin)
        ((_, made),) = outliner([nothing()])
        assert len(made) == 0


@pytest.mark.parametrize("degrees", [10, 25, 40])
def test_no_outline_leaves_the_raster(tmp_path, degrees):
    """A turned house that the raster's edge cuts ends at that edge, and stays one polygon."""
    spots = [(4, 30), (57, 30), (30, 3), (30, 57)]
    for number, at in enumerate(spots):
        labels = painted([placed(CHAMFERED / 2, degrees, at)], size=(60, 60))
        outlines, _ = outlined(traced(labels), tmp_path / str(number), shape=labels.shape)
        assert_sound(outlines)
        assert shapely.covers(shapely.box(0, 0, 60, 60), outlines).all()
        assert shapely.area(outlines).sum() == pytest.approx(labels.sum(), rel=0.1)


def test_the_contour_of_a_straight_wall_is_straight():
    """Along an upright wall the contour is the pixels' edge, away from its corners."""
    labels = np.zeros((40, 40), np.uint8)
    labels[10:30, 8:33] = 1
    found = contours(traced(labels)).points
    left = found[(found[:, 0] < 2) & (found[:, 1] > 5) & (found[:, 1] < 15)]
    assert len(left) == 10
    assert np.abs(left[:, 0]).max() < 1e-3


def test_a_single_stray_corner_is_cut_off(tmp_path):
    """Where only a corner would stray, it is cut off and the rest stays right-angled."""
    square = shapely.box(0, 0, 10, 10)
    lines = shapely.linestrings([[(0, 0), (10, 0), (10, 6), (6, 10), (0, 10), (0, 0)]])
    shapely.prepare(lines)
    (found,), cut = mended(np.array([square]), lines, np.array([2.0]))
    assert cut.tolist() == [1]
    assert corners(found) == 5
    away = shapely.distance(shapely.points(shapely.get_coordinates(found)), lines[0])
    assert away.max() <= 2
    assert found.area > 99
    (same,), cut = mended(np.array([square]), lines, np.array([3.0]))
    assert cut.tolist() == [0]
    assert shapely.equals(same, square)


@given(masks((14, 14)), st.sampled_from([0.5, 1.0, 2.0]))
@settings(max_examples=40, deadline=None)
def test_no_regular_outline_strays(tmp_path_factory, mask, tolerance):
    """Whatever was mended, no corner of a regular outline lies farther off than it may."""
    batch = traced(np.kron(mask, np.ones((6, 6))).astype(np.uint8))
    if not len(batch):
        return
    options = replace(METRES, tolerance_m=tolerance * 0.3)
    outlines, regular = outlined(batch, tmp_path_factory.mktemp("o"), options)
    edges = shapely.boundary(batch.polygons())
    for outline in outlines[regular]:
        spots = shapely.points(shapely.get_coordinates(outline))
        nearest = shapely.distance(spots[:, None], edges).min(axis=1)
        assert nearest.max() < tolerance + 1.1  # a contour lies within a pixel of the edges
