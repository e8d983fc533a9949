"""Rules of the vector files: every kind holds the same footprints, as its standard asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from fakes import PaintModel
from pyarrow import parquet
from pyproj import CRS, Geod

from geounet.errors import GeounetWarning, OptionError, OutputError
from geounet.footprints.formats import SUFFIXES
from geounet.footprints.geojson import cut_at_antimeridian
from geounet.footprints.place import reproject
from geounet.predict import PredictOptions, predict
from geounet.vectorize import VectorizeOptions, vectorize

PLACES = {
    "utm": (Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), 32633),
    "degrees": (Affine(5e-6, 0, 10, 0, -5e-6, 50), 4326),
    "mercator": (Affine(0.7, 0, 1_100_000, 0, -0.7, 6_400_000), 3857),
    "turned": (Affine(0.35, 0.2, 2_600_000, 0.2, -0.35, 1_200_000), 2056),
    "south": (Affine(0.5, 0, 500_000, 0, 0.5, 5_000_000), 32733),
    "nowhere": (Affine(0.5, 0, 100, 0, -0.5, 900), None),
}
COPIES = SUFFIXES[1:]
"""All kinds but the GeoPackage."""

ANTIMERIDIAN = Affine(0.5, 0, 833_938, 0, -0.5, 20)
"""In zone 60, around where the equator meets it."""


def found(size=120, seed=0):
    """Return the probability of separate blocks, some with a courtyard, some on the edge."""
    rng = np.random.default_rng(seed)
    drawn = np.full((size, size), 0.1, np.float32)
    for row in range(4, size - 20, 24):
        for col in range(0, size - 20, 24):
            height, width = rng.integers(6, 19, 2)
            drawn[row : row + height, col : col + width] = rng.uniform(0.5, 1)
            if min(height, width) > 13:
                drawn[row + 3 : row + 11, col + 3 : col + 11] = 0.2
    return drawn


def write(raster, folder, suffixes=SUFFIXES, **options):
    """Vectorise a raster into files of some kinds; return them by their suffix."""
    paths = {suffix: folder / f"out{suffix}" for suffix in suffixes}
    first, *also = paths.values()
    vectorize(raster, first, VectorizeOptions(also=tuple(also), **options))
    return paths


def read(path):
    """Return the rows of a file of any kind, by their id."""
    if path.suffix == ".parquet":
        rows = geopandas.read_parquet(path)
    else:
        layer = "buildings" if path.suffix == ".gpkg" else None
        rows = geopandas.read_file(path, layer=layer)
    return rows.sort_values("id", ignore_index=True)


@pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("outline", ["pixel", "regular"])
def test_every_kind_holds_what_the_geopackage_holds(make_raster, tmp_path, place, outline):
    """Rows, columns, types, figures, CRS and geometry are the same in every kind; all are valid."""
    transform, crs = PLACES[place]
    raster = make_raster(found(), transform=transform, crs=crs and f"EPSG:{crs}")
    kinds = [kind for kind in SUFFIXES if crs or kind != ".geojson"]
    paths = write(raster, tmp_path, kinds, outline=outline)
    truth = read(paths.pop(".gpkg"))
    assert len(truth) == 20
    assert shapely.get_num_interior_rings(truth.geometry.to_numpy()).any()
    for kind, path in paths.items():
        rows = read(path)
        limit = 10 if kind == ".shp" else 99
        assert list(rows.columns) == [name[:limit] for name in truth.columns], kind
        moved = truth.to_crs(4326) if kind == ".geojson" else truth
        assert rows.crs == moved.crs, kind
        assert rows.geometry.is_valid.all(), kind
        assert (rows.geometry.geom_type == "Polygon").all()
        if kind == ".shp":  # whose exteriors run clockwise
            assert (rows.geometry.normalize() == moved.geometry.normalize()).all()
        else:
            corners, others = (shapely.get_coordinates(each.geometry) for each in (rows, moved))
            assert abs(corners - others).max() <= (2e-9 if kind == ".geojson" else 0), kind
        for name in truth.columns.drop("geometry"):
            one, other = truth[name], rows[name[:limit]]
            assert other.dtype == one.dtype or (name, kind) == ("id", ".geojson"), (name, kind)
            if one.dtype == np.float64:
                np.testing.assert_allclose(other, one, rtol=1e-13, atol=1e-13, err_msg=kind)
            else:
                assert other.tolist() == one.tolist(), (name, kind)


@pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")
@pytest.mark.parametrize("kind", COPIES)
def test_a_kind_alone_leaves_nothing_else(make_raster, tmp_path, kind):
    """The GeoPackage that others are made of is gone in the end, and the rows are the same."""
    raster = make_raster(found())
    (tmp_path / "one").mkdir()
    (tmp_path / "all").mkdir()
    alone = write(raster, tmp_path / "one", [kind])[kind]
    together = write(raster, tmp_path / "all")[kind]
    assert {path.stem for path in (tmp_path / "one").iterdir()} == {"out"}
    assert not list((tmp_path / "one").glob("*.gpkg"))
    assert read(alone).equals(read(together))


@pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")
@pytest.mark.parametrize("crs", [32633, 4326, None])
def test_an_empty_result_is_typed_in_every_kind(make_raster, tmp_path, crs):
    """Without a footprint each file has its columns, its type and its CRS, as far as it can."""
    raster = make_raster(np.zeros((30, 40), np.uint8), crs=crs and f"EPSG:{crs}")
    kinds = [kind for kind in SUFFIXES if crs or kind != ".geojson"]
    for kind, path in write(raster, tmp_path, kinds).items():
        if kind == ".geojson":
            assert json.loads(path.read_text())["features"] == []
            continue
        rows = read(path)
        assert len(rows) == 0
        assert len(rows.columns) == 11
        assert rows.crs == (None if crs is None else CRS(crs))
        if kind != ".parquet":
            layer = "buildings" if kind == ".gpkg" else None
            assert pyogrio.read_info(path, layer=layer)["geometry_type"] == "Polygon"


@pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")
def test_batches_leave_no_trace(make_raster, tmp_path, monkeypatch):
    """Few rows at a time give the file that many give, but for Parquet's groups of rows."""
    raster = make_raster(found())
    written = []
    for size, name in ((10_000, "many"), (7, "few")):
        for room in ("stored", "formats", "geoparquet"):
            monkeypatch.setattr(f"geounet.footprints.{room}.BATCH", size)
        (tmp_path / name).mkdir()
        written.append(write(raster, tmp_path / name))
    for kind in (".geojson", ".fgb", ".shp"):
        many, few = (paths[kind].read_bytes() for paths in written)
        assert many == few, kind
    many, few = (parquet.ParquetFile(paths[".parquet"]) for paths in written)
    assert many.read().equals(few.read())
    assert few.num_row_groups > many.num_row_groups == 1


@pytest.mark.parametrize("crs", [32633, 4326, None])
@pytest.mark.parametrize("empty", [False, True])
def test_geoparquet_says_what_its_standard_asks(make_raster, tmp_path, crs, empty):
    """GeoParquet 1.1: required keys and allowed values, the CRS whole, the extent true."""
    raster = make_raster(
        found() * (not empty), crs=crs and f"EPSG:{crs}", transform=PLACES["degrees"][0]
    )
    path = write(raster, tmp_path, [".parquet"])[".parquet"]
    stored = parquet.read_metadata(path).metadata
    geo = json.loads(stored[b"geo"])
    assert set(geo) == {"version", "primary_column", "columns"}
    assert geo["version"] == "1.1.0"
    assert geo["primary_column"] == "geometry"
    column = geo["columns"]["geometry"]
    allowed = {"encoding", "geometry_types", "crs", "edges", "bbox", "covering"}
    assert set(column) == allowed - ({"bbox"} if empty else set())
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["Polygon"]
    assert column["edges"] == "planar"
    corners = ("xmin", "ymin", "xmax", "ymax")
    assert column["covering"] == {"bbox": {corner: ["bbox", corner] for corner in corners}}
    if crs is None:
        assert column["crs"] is None
    else:
        assert column["crs"]["$schema"].endswith("projjson.schema.json")
        assert CRS.from_json_dict(column["crs"]) == CRS(crs)
    table = parquet.read_table(path)
    assert str(table.schema.field("geometry").type) == "binary"
    assert str(table.schema.field("bbox").type) == (
        "struct<xmin: double, ymin: double, xmax: double, ymax: double>"
    )
    if not empty:
        bounds = shapely.bounds(shapely.from_wkb(table["geometry"].to_pylist()))
        boxes = np.array([[box[corner] for corner in corners] for box in table["bbox"].to_pylist()])
        assert (boxes == bounds).all()
        assert column["bbox"] == [*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0)]
    assert json.loads(stored[b"geounet"])["software"].startswith("geounet ")


def test_a_part_of_a_geoparquet_is_read_by_its_boxes(make_raster, tmp_path, monkeypatch):
    """A box finds the footprints in it, and groups of rows lie together, in Hilbert order."""
    monkeypatch.setattr("geounet.footprints.geoparquet.BATCH", 8)
    path = write(make_raster(found(240)), tmp_path, [".parquet"])[".parquet"]
    rows = geopandas.read_parquet(path)
    assert rows["id"].tolist() == list(range(len(rows)))
    west, south = rows.total_bounds[:2]
    box = (west, south, west + 30, south + 30)
    part = geopandas.read_parquet(path, bbox=box)
    assert part["id"].tolist() == rows[rows.intersects(shapely.box(*box))]["id"].tolist()
    assert 0 < len(part) < len(rows) / 2
    file = parquet.ParquetFile(path).metadata
    names = [file.schema.column(at).path for at in range(file.num_columns)]
    low, high = names.index("bbox.xmin"), names.index("bbox.xmax")
    widths = []
    for at in range(file.num_row_groups):
        group = file.row_group(at)
        widths.append(group.column(high).statistics.max - group.column(low).statistics.min)
    assert np.mean(widths) < (rows.total_bounds[2] - west) / 2


def test_what_is_not_known_is_null(make_raster, tmp_path):
    """A mask has no confidence: null in JSON and in Parquet, not a number that looks like one."""
    paths = write(make_raster((found() > 0.5).astype(np.uint8)), tmp_path, [".geojson", ".parquet"])
    features = json.loads(paths[".geojson"].read_text(), parse_constant=pytest.fail)["features"]
    assert {feature["properties"]["confidence"] for feature in features} == {None}
    assert parquet.read_table(paths[".parquet"])["confidence"].null_count == len(features)


def turned_left(ring):
    """Return whether a ring of positions runs anticlockwise, by the shoelace formula."""
    x, y = np.array(ring).T
    return np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0


@pytest.mark.parametrize("place", ["utm", "degrees", "turned", "south"])
def test_geojson_is_rfc_7946(make_raster, tmp_path, place):
    """Longitude first, closed rings, exteriors anticlockwise and holes clockwise, no `crs`."""
    transform, crs = PLACES[place]
    raster = make_raster(found(), transform=transform, crs=f"EPSG:{crs}")
    path = write(raster, tmp_path, [".geojson"])[".geojson"]
    read_back = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert read_back["type"] == "FeatureCollection"
    assert "crs" not in read_back
    assert read_back["provenance"]["options"]["threshold"] == 0.5
    holes = 0
    for number, feature in enumerate(read_back["features"]):
        assert set(feature) == {"type", "id", "properties", "geometry"}
        assert feature["type"] == "Feature"
        assert feature["id"] == feature["properties"]["id"] == number
        assert feature["geometry"]["type"] == "Polygon"
        outer, *inner = feature["geometry"]["coordinates"]
        assert all(len(ring) >= 4 and ring[0] == ring[-1] for ring in (outer, *inner))
        assert turned_left(outer)
        assert not any(map(turned_left, inner))
        holes += len(inner)
        longitude, latitude = np.array(outer).T
        assert (longitude >= -180).all()
        assert (longitude <= 180).all()
        assert (abs(latitude) <= 90).all()
    assert holes


def across(make_raster):
    """Return a mask with one block over the antimeridian, one on each side."""
    drawn = np.zeros((80, 160), np.uint8)
    drawn[30:50, 60:100] = drawn[5:20, 5:20] = drawn[55:70, 130:150] = 1
    return make_raster(drawn, transform=ANTIMERIDIAN, crs="EPSG:32660")


def test_geojson_is_cut_at_the_antimeridian_and_says_so(make_raster, tmp_path):
    """A footprint over it becomes two parts that touch it, of the same area; one warning counts."""
    with pytest.warns(GeounetWarning, match="1 footprint across the antimeridian"):
        path = write(across(make_raster), tmp_path, [".geojson"], outline="pixel")[".geojson"]
    rows = read(path)
    assert sorted(rows.geometry.geom_type) == ["MultiPolygon", "Polygon", "Polygon"]
    assert rows.geometry.is_valid.all()
    (cut,) = rows.geometry[rows.geometry.geom_type == "MultiPolygon"]
    ends = sorted((part.bounds[0], part.bounds[2]) for part in cut.geoms)
    assert ends[0][0] == -180
    assert ends[1][1] == 180
    assert all(east - west < 1e-3 for west, east in ends)
    assert all(turned_left(part.exterior.coords) for part in cut.geoms)
    geod = Geod(ellps="WGS84")
    areas = [abs(geod.geometry_area_perimeter(shape)[0]) for shape in rows.geometry]
    np.testing.assert_allclose(areas, rows["area_m2"], rtol=1e-4)


def test_other_kinds_go_on_beyond_the_antimeridian(make_raster, tmp_path):
    """In degrees a footprint stays whole, and no one spans the world; Mercator is refused."""
    raster = across(make_raster)
    path = write(raster, tmp_path, [".gpkg"], crs="EPSG:4326", outline="pixel")[".gpkg"]
    west, _, east, _ = read(path).geometry.bounds.to_numpy().T
    assert (east - west < 1e-3).all()
    assert (east > 180).any()
    with pytest.raises(OptionError, match="torn apart in WGS 84 / Pseudo-Mercator"):
        write(raster, tmp_path, [".fgb"], crs="EPSG:3857")
    assert {each.name for each in tmp_path.iterdir()} == {"out.gpkg", "raster.tif"}


def test_what_lies_wholly_beyond_is_moved_not_cut():
    """Degrees past ±180 come back by a turn; the whole world is neither torn nor moved."""
    shapes = np.array([shapely.box(181, 0, 182, 1), shapely.box(-190, 0, -185, 1)])
    moved, count = cut_at_antimeridian(shapes)
    assert count == 0
    assert [shape.bounds for shape in moved] == [(-179, 0, -178, 1), (170, 0, 175, 1)]
    world = np.array([shapely.box(-2e7, -1e7, 2e7, 1e7)])
    (whole,) = reproject(world, CRS(3857), CRS(4326))
    assert whole.bounds[0] == pytest.approx(-179.66, abs=0.01)
    assert whole.bounds[2] == pytest.approx(179.66, abs=0.01)


def test_a_shapefile_comes_with_one_warning(make_raster, tmp_path):
    """Its limits are told in one line, its parts stand together, its text is UTF-8."""
    raster = make_raster(found(), name="tówn.tif")
    with pytest.warns(GeounetWarning) as told:
        write(raster, tmp_path, [".shp"])
    assert len(told) == 1
    text = str(told[0].message)
    assert "10 characters" in text
    assert "2 GB" in text
    assert "\n" not in text
    parts = {each.suffix for each in tmp_path.glob("out.*")}
    assert parts == {".shp", ".shx", ".dbf", ".prj", ".cpg"}
    assert (tmp_path / "out.cpg").read_text() == "UTF-8"
    assert set(read(tmp_path / "out.shp")["source"]) == {"tówn.tif"}


def test_parts_of_a_shapefile_are_outputs_too(make_raster, tmp_path):
    """A part that stands there is refused, and replaced, or removed, only when asked for."""
    raster = make_raster(found(), crs=None)
    (tmp_path / "out.prj").write_text("of something else")
    with pytest.raises(OutputError, match=r"out\.prj: exists already"):
        write(raster, tmp_path, [".shp"])
    with pytest.warns(GeounetWarning):
        write(raster, tmp_path, [".shp"], overwrite=True)
    assert not (tmp_path / "out.prj").exists()


@pytest.mark.parametrize(
    ("kinds", "crs", "options", "message"),
    [
        ([".geojson"], None, {}, "the raster has no CRS; write .gpkg"),
        ([".gpkg", ".geojson"], None, {}, "the raster has no CRS; write .gpkg"),
        ([".geojson"], 32633, {"crs": "EPSG:3857"}, "always in EPSG:4326"),
    ],
)
def test_what_geojson_cannot_hold_is_refused(make_raster, tmp_path, kinds, crs, options, message):
    """Without a CRS, or in another than its own, it is refused, and nothing is written."""
    raster = make_raster(found(), crs=crs and f"EPSG:{crs}")
    with pytest.raises(OptionError, match=message):
        write(raster, tmp_path, kinds, **options)
    assert [each.name for each in tmp_path.iterdir()] == ["raster.tif"]


def test_geojson_beside_others_keeps_its_own_crs(make_raster, tmp_path):
    """`--crs` is for the others; asked for by its own name it is no contradiction."""
    paths = write(make_raster(found()), tmp_path, [".gpkg", ".geojson"], crs="EPSG:3857")
    assert [read(path).crs.to_epsg() for path in paths.values()] == [3857, 4326]
    write(tmp_path / "raster.tif", tmp_path, [".geojson"], crs="EPSG:4326", overwrite=True)


def test_two_of_one_kind_are_refused(make_raster, tmp_path):
    """Each kind stands once."""
    options = VectorizeOptions(also=(tmp_path / "b.FGB",))
    with pytest.raises(OptionError, match=r"of one kind \(\.fgb, \.fgb\)"):
        vectorize(make_raster(found()), tmp_path / "a.fgb", options)


def test_without_pyarrow_geoparquet_is_refused_at_once(make_raster, tmp_path, monkeypatch):
    """The line that installs it is the cure."""
    monkeypatch.setattr("geounet.footprints.formats.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'geounet\[parquet\]'"):
        write(make_raster(found()), tmp_path, [".parquet"])


def test_the_other_kinds_need_no_pyarrow(make_raster, tmp_path):
    """Where it is not installed, all other files are written."""
    raster = make_raster(found())
    code = f"""
import sys, warnings
sys.modules["pyarrow"] = None
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from geounet.vectorize import VectorizeOptions, vectorize
warnings.simplefilter("ignore")
out = Path({str(tmp_path / "out.gpkg")!r})
also = tuple(out.with_suffix(kind) for kind in (".fgb", ".geojson", ".shp"))
print(vectorize({str(raster)!r}, out, VectorizeOptions(also=also)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for kind in (".fgb", ".geojson", ".shp"):
        assert len(read(tmp_path / f"out{kind}")) == int(done.stdout)


@pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")
def test_several_classes_share_the_file_of_one_layer(make_raster, tmp_path):
    """All classes stand in one layer, their ids count through, the class tells them apart."""
    bands = np.uint8([255 * found(), 255 * found(seed=1)[::-1]])
    paths = [tmp_path / f"out{suffix}" for suffix in SUFFIXES]
    options = PredictOptions(
        model=PaintModel(2), gsd="native", min_area=0, outline="pixel", also=tuple(paths[1:])
    )
    result = predict(make_raster(bands), paths[0], options)
    assert result.out == tuple(paths)
    layers = [geopandas.read_file(paths[0], layer=f"layer {at}") for at in (0, 1)]
    for path in paths[1:]:
        rows = read(path)
        assert rows["id"].tolist() == list(range(result.polygons)), path
        assert rows["class"].tolist() == [name for layer in layers for name in layer["class"]]
        assert rows["area_m2"].tolist() == pytest.approx(
            [area for layer in layers for area in layer["area_m2"]]
        )


@pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")
@pytest.mark.parametrize("kind", COPIES)
def test_when_one_kind_fails_none_appears(make_raster, tmp_path, monkeypatch, kind):
    """A disk that is full at the last file leaves nothing of any."""
    import geounet.assemble  # noqa: PLC0415

    convert = geounet.assemble.convert

    def full(rows, path):
        convert(rows, path)
        if path.suffix == kind:
            raise OutputError(f"{path}: cannot be written (no space)")

    monkeypatch.setattr(geounet.assemble, "convert", full)
    raster = make_raster(found())
    with pytest.raises(OutputError, match=rf"out\{kind}: cannot be written"):
        write(raster, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["raster.tif"]


@pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")
@pytest.mark.parametrize("kind", COPIES)
def test_a_file_that_cannot_be_written_is_named(make_raster, tmp_path, monkeypatch, kind):
    """What the writer of a kind says becomes one line with the path that was asked for."""
    import geounet.assemble  # noqa: PLC0415

    convert = geounet.assemble.convert

    def lost(rows, path):
        convert(rows, path.parent / "no" / path.name)

    monkeypatch.setattr(geounet.assemble, "convert", lost)
    with pytest.raises(OutputError, match="cannot be written") as caught:
        write(make_raster(found()), tmp_path, [kind])
    assert "\n" not in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == ["raster.tif"]
