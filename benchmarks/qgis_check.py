"""Open a GeoPackage in QGIS without a screen, render it over a raster, and say what QGIS saw.

    env -u PYTHONPATH -u PROJ_LIB -u PROJ_DATA -u GDAL_DATA \
        /usr/bin/python3 benchmarks/qgis_check.py OUT.gpkg RASTER out.png [minx,miny,maxx,maxy]

Needs the system's Python with PyQGIS (Debian: qgis python3-qgis qgis-providers). Prints one line
of JSON; exits 1 when a layer is invalid, holds an invalid polygon or shows without its style.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
for variable in ("XDG_RUNTIME_DIR", "QGIS_CUSTOM_CONFIG_PATH"):
    os.environ[variable] = tempfile.mkdtemp()

from qgis.core import (  # noqa: E402  the platform is chosen before Qt starts
    Qgis,
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize  # noqa: E402


def names(path: str) -> list[str]:
    """Return the layers with geometry."""
    found = QgsProviderRegistry.instance().providerMetadata("ogr").querySublayers(path)
    return [each.name() for each in found if each.wkbType() not in (0, 100)]


def facts(layer: QgsVectorLayer) -> dict[str, object]:
    """Return what QGIS makes of a layer."""
    shapes = [feature.geometry() for feature in layer.getFeatures()]
    renderer = layer.renderer()
    rules = renderer.rootRule().children() if renderer and renderer.type() == "RuleRenderer" else []
    bounds = layer.extent()
    return {
        "name": layer.name(),
        "valid": layer.isValid(),
        "features": layer.featureCount(),
        "empty": sum(shape.isEmpty() for shape in shapes),
        "invalid": sum(not shape.isGeosValid() for shape in shapes),
        "crs": layer.crs().authid(),
        "crs_valid": layer.crs().isValid(),
        "extent": [bounds.xMinimum(), bounds.yMinimum(), bounds.xMaximum(), bounds.yMaximum()],
        "fields": [field.name() for field in layer.fields()],
        "renderer": renderer.type() if renderer else None,
        "rules": {rule.label(): rule.filter().isValid() for rule in rules},
        "spatial_index": layer.hasSpatialIndex() == 2,
    }


def render(layers: list[object], out: str, extent: QgsRectangle | None) -> bool:
    """Draw the layers, the first on top, and return whether the picture was saved."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setOutputSize(QSize(1000, 1000))
    settings.setDestinationCrs(layers[-1].crs())
    settings.setExtent(extent or layers[-1].extent())
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return bool(job.renderedImage().save(out))


def main() -> int:
    """Check, render, print."""
    path, raster, out, *window = sys.argv[1:]
    application = QgsApplication([], False)  # noqa: FBT003  a Qt signature
    application.initQgis()
    layers = [QgsVectorLayer(f"{path}|layername={name}", name, "ogr") for name in names(path)]
    below = QgsRasterLayer(raster, "raster")
    seen = [facts(layer) for layer in layers]
    extent = QgsRectangle(*map(float, window[0].split(","))) if window else None
    report = {
        "qgis": Qgis.QGIS_VERSION,
        "layers": seen,
        "raster": {"valid": below.isValid(), "crs": below.crs().authid()},
        "picture": render([*layers, below] if below.isValid() else layers, out, extent),
        "styled": all(each["renderer"] == "RuleRenderer" for each in seen),
    }
    report["ok"] = bool(
        report["picture"]
        and report["styled"]
        and seen
        and all(
            each["valid"]
            and not each["invalid"]
            and not each["empty"]
            and all(each["rules"].values())
            for each in seen
        )
    )
    print(json.dumps(report), flush=True)
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    os._exit(main())  # Qt may crash while it tears down layers that are still shown
