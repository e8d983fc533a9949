"""Rules of the spool, the table and the GeoPackage."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from geounet.errors import OptionError, OutputError
from geounet.footprints.corners import trace_cell
from geounet.footprints.place import place, reproject
from geounet.footprints.rings import concatenate, nothing
from geounet.footprints.spool import Spool, hilbert
from geounet.footprints.table import (
    TableOptions,
    coverage_labels,
    coverage_tables,
    tables,
    write_gpkg,
)
from geounet.footprints.trace import Tracer
from geounet.reader import RasterInfo

UTM = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
SCHEMA = [
    "id",
    "class",
    "confidence",
    "area_m2",
    "perimeter_m",
    "vertices",
    "regularized",
    "touches_edge",
    "review",
    "source",
]


def traced(labels, q=None, classes=1, rows=None):
    """Return all footprints of labels, in strips of some rows."""
    tracer = Tracer(labels.shape, classes)
    step = rows or labels.shape[0]
    batches = [
        tracer.add_strip(
            [
                trace_cell(
                    labels[at : at + step], None if q is None else q[:, at : at + step], classes
                )
            ]
        )
        for at in range(0, labels.shape[0], step)
    ]
    return concatenate([*batches, tracer.finish()])


def info(shape, *, transform=UTM, crs=32633):
    """Return what is known of a raster of a shape."""
    return RasterInfo(
        path=Path("town.tif"),
        height=shape[0],
        width=shape[1],
        count=1,
        dtype=np.dtype(np.uint8),
        transform=transform,
        crs=None if crs is None else CRS(crs),
        nodata=None,
        block_shape=(256, 256),
    )


def town(seed=0, size=60):
    """Return labels with separate boxes, and q that is high inside."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.uint8)
    for row in range(2, size - 8, 10):
        for col in range(2, size - 8, 10):
            height, width = rng.integers(3, 8, 2)
            labels[row : row + height, col : col + width] = 1
    q = np.where(labels == 1, rng.integers(130, 255, labels.shape), 20).astype(np.uint8)
    return labels, q[None]


@pytest.fixture
def spool(tmp_path):
    """Return a spool with the town in it."""
    labels, q = town()
    with Spool(tmp_path / "spool") as made:
        made.append(traced(labels, q))
        yield made


def content(path):
    """Return every row of every table that is no index."""
    with closing(sqlite3.connect(path)) as file:
        names = [
            row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return {
            name: file.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608
            for name in names
        }


def test_rows_have_the_fixed_schema():
    """A table has the promised columns, and their values can be checked by hand."""
    labels = np.zeros((40, 40), np.uint8)
    labels[10:20, 10:30] = 1
    labels[0:2, 0:2] = 1
    q = np.full((1, 40, 40), 127, np.uint8)
    q[:, 10:20, 10:30] = 254
    (table,) = tables([traced(labels, q).ordered()], info((40, 40)), TableOptions(source="a.tif"))
    assert list(table.columns) == [*SCHEMA, "geometry"]
    assert table.crs == CRS(32633)
    assert table["id"].tolist() == [0, 1]
    assert table["class"].tolist() == ["building"] * 2
    assert table["confidence"].tolist() == [0.5, 1.0]
    assert table["area_m2"].tolist() == pytest.approx([1.0, 50.0], rel=2e-3)  # UTM's scale squared
    assert table["perimeter_m"].tolist() == pytest.approx([4.0, 30.0], rel=1e-3)
    assert table["vertices"].tolist() == [4, 4]
    assert table["touches_edge"].tolist() == [True, False]
    assert table["review"].tolist() == [1, 0]
    assert table["source"].tolist() == ["a.tif"] * 2
    assert table.geometry.iloc[1].bounds == (500_005, 4_999_990, 500_015, 4_999_995)


@pytest.mark.parametrize(
    ("q", "shape", "review"),
    [(200, (10, 10), 0), (150, (10, 10), 1), (200, (1, 23), 0), (200, (1, 26), 1)],
)
def test_review_finds_the_unsure_and_the_odd(q, shape, review):
    """Below 0.6, or thinner than 1 by 24, a footprint is to be reviewed."""
    labels = np.zeros((40, 40), np.uint8)
    labels[5 : 5 + shape[0], 5 : 5 + shape[1]] = 1
    for crs in (32633, None):
        found = traced(labels, np.full((1, 40, 40), q, np.uint8))
        (table,) = tables([found], info((40, 40), crs=crs), TableOptions())
        assert table["review"].tolist() == [review]


def test_small_ones_leave_before_ids_are_given():
    """Ids count the rows that stay, over all batches."""
    labels, q = town()
    found = traced(labels, q).ordered()
    least = int(np.median(found.pixels))
    halves = [found.take(np.arange(10)), found.take(np.arange(10, len(found)))]
    for options in (TableOptions(min_pixels=least), TableOptions(min_area_m2=least * 0.25 * 0.999)):
        parts = list(tables(halves, info(labels.shape), options))
        kept = int((found.pixels >= least).sum())
        assert np.concatenate([part["id"] for part in parts]).tolist() == list(range(kept))


def test_without_a_crs_lengths_are_null():
    """A raster without CRS gives polygons in its own coordinates, and no metres."""
    labels, q = town()
    bare = info(labels.shape, transform=Affine.identity(), crs=None)
    (table,) = tables([traced(labels, q)], bare, TableOptions())
    assert table.crs is None
    assert table["area_m2"].isna().all()
    assert table["perimeter_m"].isna().all()
    assert not table["review"].all()


@pytest.mark.parametrize(
    ("crs", "options", "message"),
    [
        (None, TableOptions(min_area_m2=1), "use --min-pixels"),
        (None, TableOptions(crs="EPSG:4326"), "leave it out"),
        (32633, TableOptions(crs="EPSG:0"), "not known"),
        (32633, TableOptions(crs="EPSG:5773"), "no map's .a Vertical CRS"),
        (32633, TableOptions(crs="EPSG:4978"), "no map's .a Geocentric CRS"),
    ],
)
def test_options_that_need_a_crs_are_refused(crs, options, message):
    """Metres without a CRS, and a CRS that cannot be reached, are refused with a cure."""
    with pytest.raises(OptionError, match=message):
        next(tables([nothing()], info((4, 4), crs=crs), options))


@given(
    st.floats(-3, 3).filter(lambda turn: abs(turn) > 1e-3),
    st.sampled_from([1, -1]),
    st.integers(0, 20),
)
def test_the_affine_is_used_whole(turn, flip, seed):
    """Turned or flipped, a vertex is where the affine puts it; exteriors are anticlockwise."""
    rng = np.random.default_rng(seed)
    found = traced((rng.random((6, 7)) < 0.6).astype(np.uint8))
    cos, sin = 0.5 * np.cos(turn), 0.25 * flip * np.sin(turn)
    affine = Affine(cos, -sin, 5, 2 * flip * sin, flip * cos / 2, -3)
    placed = place(found.polygons(), affine)
    row, col = found.coords.T.astype(float)
    x = affine.a * col + affine.b * row + affine.c
    y = affine.d * col + affine.e * row + affine.f
    expected = set(zip(x.tolist(), y.tolist(), strict=True))
    got = {tuple(point) for point in shapely.get_coordinates(placed)}
    assert {tuple(np.round(p, 9)) for p in got} == {tuple(np.round(p, 9)) for p in expected}
    assert shapely.is_ccw(shapely.get_exterior_ring(placed)).all()
    assert shapely.is_valid(placed).all()


def test_another_crs_moves_the_geometry_only():
    """Rows in another CRS keep the areas measured in the raster's own."""
    labels, q = town()
    found = traced(labels, q)
    (here,) = tables([found], info(labels.shape), TableOptions())
    (there,) = tables([found], info(labels.shape), TableOptions(crs="EPSG:4326"))
    assert there.crs == CRS(4326)
    assert there["area_m2"].tolist() == here["area_m2"].tolist()
    back = there.to_crs(32633).geometry
    assert shapely.hausdorff_distance(back.to_numpy(), here.geometry.to_numpy()).max() < 1e-6


def test_a_crs_that_cannot_hold_them_is_refused():
    """A projection that fails at the place says so."""
    pole = np.array([shapely.box(0, -91, 1, -90.5)])
    with pytest.raises(OptionError, match="made for this place"):
        reproject(pole, CRS(4326), CRS(3857))


def test_hilbert_neighbours_are_neighbours():
    """Along the curve each step goes to a cell beside, and no cell is met twice."""
    x, y = np.meshgrid(np.arange(16), np.arange(16))
    index = hilbert(x.ravel(), y.ravel())
    order = np.argsort(index)
    steps = abs(np.diff(x.ravel()[order])) + abs(np.diff(y.ravel()[order]))
    assert (steps == 1).all()
    assert sorted(index.tolist()) == list(range(256))


def test_the_spool_gives_back_what_it_got(tmp_path):
    """Chunks of any size hold every polygon once, in an order that no cut changes."""
    labels, q = town(3)
    labels[labels == 1] += (np.arange(60) % 20 > 9).astype(np.uint8)[np.nonzero(labels)[1]]
    q = np.repeat(q, 2, axis=0)
    orders = []
    for rows in (60, 7, 1):
        with Spool(tmp_path / str(rows)) as spool:
            for batch in (traced(labels, q, 2, rows), nothing()):
                spool.append(batch)
            parts = list(spool.chunks(size=5))
            assert max(map(len, parts)) == 5
            assert len(spool) == sum(map(len, parts))
            per_class = [concatenate([*spool.chunks(at)]) for at in (0, 1)]
            assert sum(map(len, per_class)) == len(spool)
            assert [set(each.class_index.tolist()) for each in per_class] == [{0}, {1}]
            orders.append(concatenate(parts))
        assert not list((tmp_path / str(rows)).iterdir())
    whole = traced(labels, q, 2).ordered()
    for other in orders:
        for name, value in vars(orders[0]).items():
            assert np.array_equal(value, getattr(other, name)), name
        for name, value in vars(other.ordered()).items():
            assert np.array_equal(value, getattr(whole, name)), name


def test_chunks_have_bounded_vertices(tmp_path, monkeypatch):
    """A chunk ends before it has too many vertices; a giant comes alone."""
    monkeypatch.setattr("geounet.footprints.spool.CHUNK_VERTICES", 9)
    labels = np.zeros((9, 30), np.uint8)
    labels[1:3, 1::3] = 1
    labels[5, 1:30:2] = labels[6] = 1  # a comb
    with Spool(tmp_path) as spool:
        spool.append(traced(labels))
        sizes = [chunk.vertices.tolist() for chunk in spool.chunks()]
    assert sum(map(len, sizes)) == 11
    assert all(sum(each) <= 9 or len(each) == 1 for each in sizes)
    assert max(map(len, sizes)) == 2


def test_the_file_is_what_qgis_wants(tmp_path, spool):
    """A GeoPackage 1.3 with R-tree, typed polygons, style, provenance and nothing beside it."""
    path = tmp_path / "out.gpkg"
    count = write_gpkg(path, spool, info((60, 60)), TableOptions(source="town.tif"), {"model": "m"})
    assert count == len(spool)
    table = gpd.read_file(path, layer="buildings")
    assert len(table) == count
    assert table.crs == CRS(32633)
    assert table["id"].tolist() == list(range(count))
    assert table.geometry.is_valid.all()
    assert table["regularized"].dtype == bool
    assert pyogrio.read_info(path, layer="buildings")["geometry_type"] == "Polygon"
    assert {each.name for each in tmp_path.iterdir()} == {"out.gpkg", "spool"}
    rows = content(path)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (10300,)
        assert file.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []
        style = file.execute(
            "SELECT f_table_schema, f_table_name, f_geometry_column, useAsDefault FROM layer_styles"
        ).fetchall()
    assert style == [("", "buildings", "geom", 1)]
    assert "rtree_buildings_geom" in rows
    assert json.loads(rows["gpkg_metadata"][0][4]) == {"model": "m"}
    assert rows["gpkg_metadata_reference"][0][0] == "geopackage"


def test_equal_runs_give_equal_tables(tmp_path, spool):
    """Two runs write the same contents, times included."""
    contents = []
    for name in ("a.gpkg", "b.gpkg"):
        write_gpkg(tmp_path / name, spool, info((60, 60)), TableOptions(), {"b": 1, "a": 2})
        contents.append(content(tmp_path / name))
    assert contents[0] == contents[1]


def test_chunks_are_appended(tmp_path, spool, monkeypatch):
    """Many chunks give the file that one chunk gives."""
    write_gpkg(tmp_path / "one.gpkg", spool, info((60, 60)), TableOptions(), {})
    chunks = spool.chunks
    monkeypatch.setattr(spool, "chunks", lambda at: chunks(at, size=4))
    write_gpkg(tmp_path / "many.gpkg", spool, info((60, 60)), TableOptions(), {})
    one, many = (content(tmp_path / name)["buildings"] for name in ("one.gpkg", "many.gpkg"))
    assert one == many


@pytest.mark.parametrize("crs", [32633, None])
def test_an_empty_result_is_typed(tmp_path, crs):
    """Without footprints the layer still has its columns, its type and its CRS."""
    with Spool(tmp_path / "spool") as spool:
        path = tmp_path / "out.gpkg"
        assert write_gpkg(path, spool, info((4, 4), crs=crs), TableOptions(), {}) == 0
    table = gpd.read_file(path, layer="buildings")
    assert list(table.columns) == [*SCHEMA, "geometry"]
    assert table.crs == (None if crs is None else CRS(crs))
    known = pyogrio.read_info(path, layer="buildings")
    assert known["geometry_type"] == "Polygon"
    assert known["ogr_types"] == [
        "OFTInteger64",
        "OFTString",
        "OFTReal",
        "OFTReal",
        "OFTReal",
        "OFTInteger",
        "OFTInteger",
        "OFTInteger",
        "OFTInteger",
        "OFTString",
    ]
    assert known["ogr_subtypes"][6:8] == ["OFSTBoolean", "OFSTBoolean"]


def test_one_layer_a_class(tmp_path):
    """Each class has its layer, with ids of its own."""
    labels = np.zeros((9, 9), np.uint8)
    labels[1:3, 1:3], labels[5:8, 1:3], labels[1:4, 5:8] = 1, 2, 2
    options = TableOptions(classes=("house", "shed"), layers=("houses", "sheds"))
    with Spool(tmp_path / "spool") as spool:
        spool.append(traced(labels, None, 2))
        assert write_gpkg(tmp_path / "out.gpkg", spool, info((9, 9)), options, {}) == 3
    houses, sheds = (gpd.read_file(tmp_path / "out.gpkg", layer=name) for name in options.layers)
    assert houses["class"].tolist() == ["house"]
    assert sheds["class"].tolist() == ["shed", "shed"]
    assert sheds["id"].tolist() == [0, 1]
    assert sheds["confidence"].isna().all()


def test_coverage_covers_all(tmp_path, spool):
    """The coverage's polygons part the raster into what was predicted, void and failed."""
    valid, failed = np.ones((60, 60), bool), np.zeros((60, 60), bool)
    valid[:10] = False
    failed[30:40, 30:] = True
    found = traced(coverage_labels(valid, failed), None, 3, rows=7)
    (table,) = coverage_tables([found], info((60, 60)), TableOptions())
    areas = table.dissolve("status").geometry.area
    assert areas.to_dict() == {"failed": 75.0, "nodata": 150.0, "predicted": 675.0}
    assert table.geometry.union_all().area == 900
    with Spool(tmp_path / "coverage") as coverage:
        coverage.append(found)
        path = tmp_path / "out.gpkg"
        write_gpkg(path, spool, info((60, 60)), TableOptions(), {}, coverage=coverage)
    shown = gpd.read_file(path, layer="coverage")
    assert sorted(shown["status"]) == ["failed", "nodata", "predicted"]
    assert shown["area_m2"].sum() == pytest.approx(900, rel=2e-3)


def test_a_path_that_cannot_be_written_is_named(tmp_path, spool):
    """A folder that is not there is an error of ours, with the path."""
    with pytest.raises(OutputError, match=r"gone.out\.gpkg: cannot be written"):
        write_gpkg(tmp_path / "gone" / "out.gpkg", spool, info((60, 60)), TableOptions(), {})
