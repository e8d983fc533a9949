"""Rules of small holes: which are filled, which stay, and that nothing else changes."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fakes import PaintModel
from geounet.cli.main import main
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.windows import Window
from strategies import masks
from test_parts import assert_sound, traced
from test_table import info

from geounet.errors import OptionError
from geounet.footprints.corners import trace_cell
from geounet.footprints.holes import Filler
from geounet.footprints.measure import measure
from geounet.footprints.outlined import Outlined
from geounet.footprints.outlines.neighbours import Outliner
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.outlines.workers import Workers
from geounet.footprints.parts.part import Parter
from geounet.footprints.parts.store import Store
from geounet.footprints.rings import concatenate
from geounet.footprints.spool import Spool
from geounet.footprints.table import TableOptions, coverage_labels, drawn
from geounet.footprints.trace import Tracer
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, predict
from geounet.vectorize import VectorizeOptions, vectorize

UTM = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
KINDS = ["pixel", "smooth", "regular"]
SURE, UNSURE, NODATA = 250, 30, 255


def made(q, folder, kind="pixel", *, split=False, size=9999, **words):
    """What is drawn of a plane of q, in batches of some size."""
    folder.mkdir(exist_ok=True)
    known, table = info(q.shape, crs=None), TableOptions(**words)
    options = OutlineOptions(
        kind=kind, tolerance_m=None, transform=Affine.identity(), crs=None, split=split
    )
    covered = Tracer(q.shape, 3)
    parts = [covered.add_strip([trace_cell(coverage_labels(q != NODATA), None, 3)])]
    with (
        Spool(folder / "s") as spool,
        Spool(folder / "c") as coverage,
        Store(folder / "q.bin", 1, q.shape) as store,
    ):
        spool.append(traced(q))
        coverage.append(concatenate([*parts, covered.finish()]))
        store.write(q[None], Window(0, 0, *q.shape[::-1]))
        parter = Parter(
            store=store, transform=Affine.identity(), crs=None, least_m2=0.0, least_pixels=0
        )
        words = options, q.shape, Workers(1).begin, parter if split else None

        def seen(batch):
            return drawn(batch, known, table)

        outliner = Outliner(spool, seen, *words)
        filler = Filler(spool=spool, coverage=coverage, drawn=seen, info=known, options=table)
        batches = (seen(batch) for batch in spool.chunks(size=size))
        return Outlined.chained([filler(*each) for each in outliner(batches)]).polygons


def holes(polygons):
    """All holes, as polygons."""
    rings, owner = shapely.get_rings(polygons, return_index=True)
    return shapely.polygons(rings[np.flatnonzero(owner[1:] == owner[:-1]) + 1])


def ground(q, value):
    """The ground of some pixels."""
    rows, cols = np.nonzero(q == value)
    return shapely.union_all(shapely.box(cols, rows, cols + 1, rows + 1))


def rough(mask, seed, scale=3):
    """A plane of q: blobs with holes, specks and pixels without data."""
    rng = np.random.default_rng(seed)
    q = np.where(np.kron(mask, np.ones((scale, scale))), SURE, UNSURE).astype(np.uint8)
    q[rng.random(q.shape) < 0.1] = UNSURE
    q[rng.random(q.shape) < 0.03] = SURE
    q[rng.random(q.shape) < 0.01] = NODATA
    return q


@given(
    q=st.builds(rough, masks((16, 16)), st.integers(0, 2**16)),
    kind=st.sampled_from(KINDS),
    split=st.booleans(),
    least=st.sampled_from([2, 9, 30, 1000]),
    smallest=st.sampled_from([0, 12]),
    size=st.sampled_from([1, 5, 9999]),
)
@settings(max_examples=40, deadline=None)
def test_small_holes_go_and_nothing_else_changes(
    tmp_path_factory, q, kind, split, least, smallest, size
):
    """Walls stay, and a hole is gone when it is small and nothing stands in it.

    Of any mask, any kind of outline, parted or not, in any batches: area grows by the holes that
    are gone, and no two footprints share ground.
    """
    folder, words = tmp_path_factory.mktemp("h"), {"split": split, "min_pixels": smallest}
    before = made(q, folder, kind, **words)
    after = made(q, folder, kind, min_hole_pixels=least, size=size, **words)
    assert_sound(after)
    walls = [shapely.get_exterior_ring(each) for each in (before, after)]
    assert shapely.equals_exact(*walls).all()
    was, stay = holes(before), holes(after)
    kept = np.isin(shapely.to_wkb(was), shapely.to_wkb(stay))
    things = [*before, ground(q, NODATA)]
    for hole, stays in zip(was, kept, strict=True):
        held = shapely.area(shapely.intersection(things, hole)).max() > 1e-6
        assert stays == (held or shapely.area(hole) >= least)
    assert kept.sum() == len(stay)
    grown = shapely.area(after).sum() - shapely.area(before).sum()
    assert grown == pytest.approx(shapely.area(was[~kept]).sum(), abs=1e-6)


def courtyards():
    """Four houses: holes of 4 and of 36 pixels, one of 64 with a hut in it, one with no data."""
    q = np.full((70, 70), UNSURE, np.uint8)
    for row in (5, 40):
        for col in (5, 40):
            q[row : row + 25, col : col + 25] = SURE
    q[15:17, 15:17] = q[15:21, 50:56] = q[48:56, 12:20] = q[50:54, 50:54] = UNSURE
    q[51:53, 15:17], q[51, 51] = SURE, NODATA
    return q


def test_what_stands_in_a_hole_keeps_it(tmp_path):
    """The hut keeps its yard until it is too small to be drawn; no data is never built over."""
    for words, expected in (
        ({}, [4, 16, 36, 64]),
        ({"min_hole_pixels": 5}, [16, 36, 64]),
        ({"min_hole_pixels": 36}, [16, 36, 64]),
        ({"min_hole_pixels": 99}, [16, 64]),
        ({"min_hole_pixels": 99, "min_pixels": 5}, [16]),
    ):
        found = shapely.area(holes(made(courtyards(), tmp_path, **words)))
        assert sorted(found) == expected, words


def test_a_part_in_the_yard_of_another_keeps_it(tmp_path):
    """Parts of one blob are footprints like any other."""
    q = np.full((90, 90), UNSURE, np.uint8)
    q[5:85, 5:85] = SURE
    q[25:65, 25:65] = 130
    q[30:60, 30:60] = SURE
    with_holes = made(q, tmp_path, split=True)
    assert len(holes(with_holes)) >= 1
    filled = made(q, tmp_path, split=True, min_hole_pixels=9999)
    assert_sound(filled)
    assert len(filled) == len(with_holes) > 1


@pytest.fixture
def scene(make_raster):
    """The courtyards as a raster a paint model reads as they are."""
    q = courtyards()
    return make_raster(np.where(q == NODATA, 0, q), transform=UTM, nodata=0)


def layer(path):
    """The footprints of a file."""
    return geopandas.read_file(path, layer="buildings")


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_and_strips_change_nothing(scene, tmp_path, kind):
    """`predict` and `vectorize` fill the same holes, whatever the tiles and strips; maps stay."""
    words = {"outline": kind, "min_hole": 9.0, "min_area": 0.0}
    tables = []
    for tile in (16, 70):
        options = PredictOptions(
            model=PaintModel(),
            plan=PlanOptions(tile=tile, halo=0),
            gsd="native",
            overwrite=True,
            mask=tmp_path / "m.tif",
            probability=tmp_path / "p.tif",
            **words,
        )
        predict(scene, tmp_path / "a.gpkg", options)
        tables.append(layer(tmp_path / "a.gpkg"))
    for strip in (7, 70):
        chosen = VectorizeOptions(strip=strip, overwrite=True, **words)
        vectorize(tmp_path / "p.tif", tmp_path / "b.gpkg", chosen)
        tables.append(layer(tmp_path / "b.gpkg").assign(source=tables[0]["source"]))
    for other in tables[1:]:
        assert other.equals(tables[0])
    rings = holes(tables[0].geometry.to_numpy())
    assert (shapely.area(rings) > 1).all()
    assert len(rings) == (3 if kind == "pixel" else 1)  # others close specks of their own accord
    with rasterio.open(tmp_path / "m.tif") as mask:
        assert (mask.read(1)[15:17, 15:17] == 0).all()


@pytest.mark.parametrize("crs", [32633, 3857, 4326])
def test_areas_are_those_of_the_ground(make_raster, tmp_path, crs):
    """A square metre of a hole is one on the ellipsoid, in any CRS."""
    mask = (courtyards() == SURE).astype(np.uint8)
    step = 0.5 if crs != 4326 else 5e-6
    grid = Affine(step, 0, 15 if crs == 4326 else 5e5, 0, -step, 50 if crs == 4326 else 6.4e6)
    raster, out = make_raster(mask, transform=grid, crs=f"EPSG:{crs}"), tmp_path / "a.gpkg"
    vectorize(raster, out, VectorizeOptions(outline="pixel"))
    areas, _ = measure(holes(layer(out).geometry.to_numpy()), CRS(crs))
    for least in (areas.min() * 0.99, areas.min() * 1.01):
        vectorize(raster, out, VectorizeOptions(outline="pixel", min_hole=least, overwrite=True))
        left, _ = measure(holes(layer(out).geometry.to_numpy()), CRS(crs))
        assert (left > least).all()
        assert len(left) == (areas > least).sum()


def test_without_a_crs_pixels_are_asked_for(make_raster, tmp_path, capsys):
    """Square metres are refused with the flag that serves, which then works."""
    mask = (courtyards() == SURE).astype(np.uint8)
    raster = make_raster(mask, transform=None, crs=None)
    words = ["vectorize", str(raster), "-o", str(tmp_path / "a.gpkg"), "--outline", "pixel", "-q"]
    assert main([*words, "--min-hole", "9"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "has no CRS, so --min-hole 9 m² means nothing; use --min-hole-pixels" in line
    assert main([*words, "--min-hole-pixels", "9"]) == 0
    assert len(holes(layer(tmp_path / "a.gpkg").geometry.to_numpy())) == 3


@pytest.mark.parametrize("words", [{"min_hole": -1.0}, {"min_hole": np.nan}, {"min_hole": np.inf}])
def test_areas_that_are_none_are_refused(scene, tmp_path, words):
    """Before anything is traced."""
    with pytest.raises(OptionError, match="area of a hole must be 0 or more"):
        vectorize(scene, tmp_path / "a.gpkg", VectorizeOptions(**words))
    assert not (tmp_path / "a.gpkg").exists()
