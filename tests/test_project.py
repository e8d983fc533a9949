"""Rules of the QGIS project: all is in it, styled, found by relative paths."""

from __future__ import annotations

import shutil
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import numpy as np
import pytest
from affine import Affine
from fakes import PaintModel
from pyproj import CRS

from geounet.errors import OptionError
from geounet.predict import PredictOptions, predict
from geounet.project import write_project
from geounet.project.layers import Layer
from geounet.raster import open_raster
from geounet.survey.work import files_of

GRID = Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)


@pytest.fixture
def scene(make_raster):
    """Two houses."""
    image = np.full((1, 60, 80), 20, np.uint8)
    image[:, 5:25, 10:40] = 220
    image[:, 35:50, 40:70] = 190
    return make_raster(image, transform=GRID, name="scene.tif")


def run(raster, folder, out="out.gpkg", model=None, **options):
    """Predict with every output; return the project's XML."""
    sides = {"probability": folder / "p.tif", "mask": folder / "m.tif"}
    settings = {"gsd": "native", "min_area": 0, "project": folder / "all.qgz"} | sides | options
    predict(raster, folder / out, PredictOptions(model=model or PaintModel(), **settings))
    return document(folder / "all.qgz")


def document(path):
    """Return the XML within a project."""
    with ZipFile(path) as file:
        (name,) = file.namelist()
        assert name.endswith(".qgs")
        return ET.fromstring(file.read(name))  # noqa: S314  our own text


def sources(root):
    """Return where each layer comes from, by its name."""
    return {
        each.find("layername").text: each.find("datasource").text for each in root.iter("maplayer")
    }


def test_everything_is_in_the_project(scene, tmp_path):
    """Footprints on top, then coverage, probability, mask and raster; what hides others is off."""
    root = run(scene, tmp_path)
    assert sources(root) == {
        "Buildings": "./out.gpkg|layername=buildings",
        "Coverage": "./out.gpkg|layername=coverage",
        "Probability of building": "./p.tif",
        "Mask": "./m.tif",
        "scene": "./scene.tif",
    }
    tree = root.findall("layer-tree-group/layer-tree-layer")
    assert [each.get("name") for each in tree] == list(sources(root))
    shown = [each.get("checked") == "Qt::Checked" for each in tree]
    assert shown == [True, True, False, False, True]
    ids = [each.find("id").text for each in root.iter("maplayer")]
    assert ids == [each.get("id") for each in tree]
    assert len(set(ids)) == 5
    assert min(map(len, ids)) > 10  # QGIS forgets shorter ones
    assert root.find("properties/Paths/Absolute").text == "false"


def test_footprints_are_drawn_by_confidence(scene, tmp_path):
    """The rules of the GeoPackage's own style stand in the project, for any kind of file."""
    for out in ("out.gpkg", "out.fgb"):
        root = run(scene, tmp_path, out, overwrite=True)
        rules = [rule.get("filter") for rule in root.find("projectlayers/maplayer").iter("rule")]
        assert sum('"confidence" >=' in rule for rule in rules) == 6
        assert '"review" = 1' in rules


@pytest.mark.parametrize("crs", [32633, 4326, None])
def test_layers_know_their_crs(make_raster, tmp_path, crs):
    """Rasters keep their own CRS, footprints that of `--crs`, a raster without one has none."""
    image = np.full((1, 40, 40), 200, np.uint8)
    transform = Affine(3e-6, 0, 9, 0, -3e-6, 50) if crs == 4326 else GRID
    raster = make_raster(image, transform=transform, crs=crs and f"EPSG:{crs}")
    if crs is None:
        with pytest.warns(UserWarning, match="has no CRS"):
            root = run(raster, tmp_path, min_area=None, min_pixels=0)
    else:
        root = run(raster, tmp_path, crs="EPSG:3857")
    known = {}
    for each in root.iter("maplayer"):
        text = each.find("srs/spatialrefsys/wkt")
        known[each.find("layername").text] = None if text is None else CRS(text.text).to_epsg()
    assert known["raster"] == known["Mask"] == crs
    assert known["Buildings"] == (None if crs is None else 3857)


def test_paths_are_relative_wherever_the_files_lie(scene, tmp_path):
    """From a folder of its own the project climbs to the others."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    options = PredictOptions(
        model=PaintModel(), gsd="native", min_area=0, project=tmp_path / "a" / "b" / "all.qgz"
    )
    predict(scene, tmp_path / "a" / "out.gpkg", options)
    root = document(tmp_path / "a" / "b" / "all.qgz")
    assert sources(root)["scene"] == "../../scene.tif"
    assert sources(root)["Buildings"] == "../out.gpkg|layername=buildings"


def test_what_is_remote_keeps_its_address(scene, tmp_path):
    """A raster that was read from the network is read from there again."""
    with open_raster(scene) as reader:
        address = "/vsicurl/https://example.org/scene.tif"
        layer = Layer(name="a", source=address, kind="raster", crs=None, look=None)
        write_project(tmp_path / "a.qgz", tmp_path, [layer], reader.info)
    assert sources(document(tmp_path / "a.qgz")) == {"a": address}


def test_nothing_in_it_knows_its_place(scene, tmp_path):
    """The folder's name stands nowhere, and the same run elsewhere gives the same bytes."""
    run(scene, tmp_path)
    with ZipFile(tmp_path / "all.qgz") as file:
        (name,) = file.namelist()
        assert str(tmp_path) not in file.read(name).decode()
    (tmp_path / "other").mkdir()
    shutil.copy(scene, tmp_path / "other")
    run(tmp_path / "other" / "scene.tif", tmp_path / "other")
    assert (tmp_path / "other" / "all.qgz").read_bytes() == (tmp_path / "all.qgz").read_bytes()


@pytest.mark.parametrize(
    ("dtype", "bands", "options", "kind"),
    [
        (np.uint8, 3, {}, None),
        (np.uint8, 4, {"bands": (3, 2, 1)}, "multibandcolor"),
        (np.uint16, 3, {}, "multibandcolor"),
        (np.uint16, 1, {}, "singlebandgray"),
    ],
)
def test_the_raster_is_drawn_by_its_pixels(make_raster, tmp_path, dtype, bands, options, kind):
    """Of bytes QGIS knows all; other pixels are stretched, bands that were chosen are shown."""
    raster = make_raster(np.full((bands, 40, 40), 200, dtype), transform=GRID, name="scene.tif")
    model = PaintModel(1, bands=min(bands, 3), dtype=np.dtype(dtype).name)
    root = run(raster, tmp_path, model=model, **options)
    found = root.findall("projectlayers/maplayer")[-1].find("pipe/rasterrenderer")
    assert (None if found is None else found.get("type")) == kind
    if kind == "multibandcolor":
        chosen = [found.get(f"{name}Band") for name in ("red", "green", "blue")]
        assert chosen == [str(band) for band in options.get("bands", (1, 2, 3))]
        assert found.find("redContrastEnhancement/algorithm").text == "StretchToMinimumMaximum"


def test_every_class_has_its_layers(make_raster, tmp_path):
    """A layer of footprints and one of probability a class; the mask names them all."""
    image = np.full((2, 40, 40), 10, np.uint8)
    image[0, :15], image[1, 20:] = 200, 200
    root = run(make_raster(image, transform=GRID), tmp_path, model=PaintModel(2))
    names = list(sources(root))
    assert names[:2] == ["Layer 0", "Layer 1"]
    assert {"Probability of class 0", "Probability of class 1"} < set(names)
    bands = [each.get("band") for each in root.iter("rasterrenderer")]
    assert bands == ["1", "2", "1"]
    entries = {each.get("value"): each.get("label") for each in root.iter("paletteEntry")}
    assert entries == {"0": "background", "1": "class 0", "2": "class 1"}


def test_a_project_needs_what_every_qgis_opens(scene, tmp_path):
    """GeoParquet alone is refused with the cure; beside a GeoPackage the latter is shown."""
    with pytest.raises(OptionError, match=r"got \.parquet.*add --out out\.gpkg"):
        run(scene, tmp_path, "out.parquet")
    assert [each.name for each in tmp_path.iterdir()] == ["scene.tif"]
    root = run(scene, tmp_path, "out.parquet", also=(tmp_path / "out.geojson",))
    assert sources(root)["Footprints"] == "./out.geojson"


def test_a_raster_without_a_place_is_refused(make_raster, tmp_path):
    """QGIS would draw it upside down beside its footprints."""
    raster = make_raster(np.full((1, 40, 40), 200, np.uint8), transform=None, crs=None)
    warned = pytest.warns(UserWarning, match="has no CRS")
    with warned, pytest.raises(OptionError, match="leave --project out"):
        run(raster, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["raster.tif"]


def test_several_rasters_have_a_project_each(scene, make_raster, tmp_path):
    """In a folder of projects each is called like its raster."""
    other = make_raster(np.zeros((1, 9, 9), np.uint8), name="other.tif")
    rasters = [str(scene), str(other)]
    jobs = files_of(rasters, tmp_path / "maps", PredictOptions(project=tmp_path / "projects"))
    names = [job.options.project.name for job in jobs]
    assert names == ["scene.qgz", "other.qgz"]
    with pytest.raises(OptionError, match="a folder takes one --out"):
        files_of(rasters, tmp_path / "m", PredictOptions(also=(tmp_path / "a.fgb",)))
