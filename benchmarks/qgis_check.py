"""Open outputs in QGIS without a screen, draw them, and say what QGIS saw.

    env -u PYTHONPATH -u PROJ_LIB -u PROJ_DATA -u GDAL_DATA /usr/bin/python3 \
        benchmarks/qgis_check.py OUT.gpkg OUT.fgb OUT.qgz --raster TOWN.tif --pictures FOLDER

Needs the system's Python with PyQGIS (Debian: qgis python3-qgis qgis-providers). A GeoPackage is
also held against its standard, by GDAL's validator. A project is opened a second time from a copy
of its folder, which must then hold all that it names. Prints one line of JSON; exits 1 when QGIS
warns of anything, or a layer is invalid, holds an invalid polygon, shows without its style, or
comes from another folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["GDAL_PAM_ENABLED"] = "NO"  # no statistics beside the files that are looked at
for variable in ("XDG_RUNTIME_DIR", "QGIS_CUSTOM_CONFIG_PATH"):
    os.environ[variable] = tempfile.mkdtemp()

from osgeo_utils.samples.validate_gpkg import GPKGChecker  # noqa: E402
from qgis.core import (  # noqa: E402  the platform is chosen before Qt starts
    Qgis,
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize  # noqa: E402

STYLED = (".gpkg", ".qgz")
"""Files that bring their style along."""

USUAL = "Creating Warped VRT"
"""What QGIS always says of a raster that is turned or south-up."""

SIZE = 1000
"""Edge of a picture, pixels."""


def names(path: str) -> list[str]:
    """Return the layers with geometry."""
    found = QgsProviderRegistry.instance().providerMetadata("ogr").querySublayers(path)
    return [each.name() for each in found if each.wkbType() not in (0, 100)]


def facts(layer: object) -> dict[str, object]:
    """Return what QGIS makes of a layer."""
    renderer, bounds = layer.renderer(), layer.extent()
    found = {
        "name": layer.name(),
        "valid": layer.isValid(),
        "source": layer.source(),
        "crs": layer.crs().authid(),
        "extent": [bounds.xMinimum(), bounds.yMinimum(), bounds.xMaximum(), bounds.yMaximum()],
        "renderer": renderer.type() if renderer else None,
    }
    if not isinstance(layer, QgsVectorLayer):
        return found
    shapes = [feature.geometry() for feature in layer.getFeatures()]
    rules = renderer.rootRule().children() if renderer and renderer.type() == "RuleRenderer" else []
    return found | {
        "features": layer.featureCount(),
        "empty": sum(shape.isEmpty() for shape in shapes),
        "invalid": sum(not shape.isGeosValid() for shape in shapes),
        "fields": [field.name() for field in layer.fields()],
        "rules": {rule.label(): rule.filter().isValid() for rule in rules},
        "spatial_index": layer.hasSpatialIndex() == 2,
    }


def good(layer: dict[str, object], *, styled: bool) -> bool:
    """Return whether a layer is as it should be."""
    if "features" not in layer:
        return bool(layer["valid"] and layer["renderer"])
    drawn = bool(layer["rules"]) and all(layer["rules"].values())
    whole = not layer["invalid"] and not layer["empty"]
    return bool(layer["valid"] and whole and (drawn or not styled))


def render(layers: list[object], out: str, extent: QgsRectangle | None) -> bool:
    """Draw the layers, the first on top, and return whether the picture was saved."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setOutputSize(QSize(SIZE, SIZE))
    settings.setDestinationCrs(layers[-1].crs())
    settings.setExtent(extent or layers[-1].extent())
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return bool(job.renderedImage().save(out)) and not job.errors()


def opened(path: str) -> tuple[list[object], list[object]]:
    """Return the layers of a file, or a project, and those that are drawn."""
    if not path.endswith(".qgz"):
        single = len(names(path)) == 1
        layers = [
            QgsVectorLayer(
                path if single else f"{path}|layername={name}", Path(path).stem + " " + name, "ogr"
            )
            for name in names(path)
        ]
        return layers, layers
    project = QgsProject.instance()
    project.clear()
    if not project.read(path):
        raise SystemExit(f"{path}: {project.error()}")
    tree = project.layerTreeRoot()
    layers = tree.layerOrder()
    return layers, [each for each in layers if tree.findLayer(each.id()).isVisible()]


def moved(path: str) -> dict[str, object]:
    """Open a copy of a project's folder; return whether all of it is found there."""
    with tempfile.TemporaryDirectory() as folder:
        there = shutil.copytree(Path(path).parent, Path(folder) / "elsewhere")
        layers, _ = opened(str(there / Path(path).name))
        result = {each.name(): each.isValid() and str(there) in each.source() for each in layers}
        QgsProject.instance().clear()
        return result


def asked() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--raster", help="drawn below files that are no project")
    parser.add_argument("--pictures", type=Path, default=Path(tempfile.mkdtemp()))
    parser.add_argument("--window", help="minx,miny,maxx,maxy of the pictures")
    return parser.parse_args()


def check(path: str, words: argparse.Namespace) -> dict[str, object]:
    """Open, draw and judge one file."""
    layers, drawn = opened(path)
    below = QgsRasterLayer(words.raster, "raster") if words.raster else None
    if below is not None and not path.endswith(".qgz"):
        drawn = [*drawn, below]
    extent = QgsRectangle(*map(float, words.window.split(","))) if words.window else None
    picture = words.pictures / f"{Path(path).name}.png"
    seen = [facts(layer) for layer in layers]
    styled = path.endswith(STYLED)
    result = {"layers": seen, "picture": str(picture) if layers else None}
    result["ok"] = bool(seen and all(good(each, styled=styled) for each in seen)) and render(
        drawn, str(picture), extent
    )
    if path.endswith(".gpkg"):
        checker = GPKGChecker(path, abort_at_first_error=False)
        checker.check()
        result["against_the_standard"] = checker.errors
        result["ok"] &= not checker.errors
    if path.endswith(".qgz"):
        result["moved"] = moved(path)
        result["ok"] &= all(result["moved"].values())
    return result


def main() -> int:
    """Check every file, print what was seen."""
    words = asked()
    words.pictures.mkdir(parents=True, exist_ok=True)
    said: list[str] = []
    with tempfile.TemporaryFile() as errors:
        shown = os.dup(2)
        os.dup2(errors.fileno(), 2)
        application = QgsApplication([], False)  # noqa: FBT003  a Qt signature
        application.initQgis()
        signal = QgsApplication.messageLog().messageReceived[str, str, Qgis.MessageLevel]
        signal.connect(lambda text, _, level: said.append(text) if level else None)
        report = {path: check(path, words) for path in words.files}
        os.dup2(shown, 2)
        errors.seek(0)
        said += [line.decode() for line in errors.read().splitlines() if line.strip()]
    said = [line for line in said if USUAL not in line]
    ok = not said and all(each["ok"] for each in report.values())
    print(
        json.dumps({"qgis": Qgis.QGIS_VERSION, "ok": ok, "said": said, "files": report}), flush=True
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    os._exit(main())  # Qt may crash while it tears down layers that are still shown
