"""Write layers as a QGIS project: a zip with one XML document, as QGIS 3.22 and later read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from geounet.errors import OptionError
from geounet.footprints.style import QGIS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyproj import CRS

    from geounet.project.layers import Layer
    from geounet.reader import RasterInfo

READ_BY_ALL = (".gpkg", ".fgb", ".geojson", ".shp")
"""Vector files that every QGIS opens, best first; GeoParquet takes a driver that many lack."""

MOMENT = (2000, 1, 1, 0, 0, 0)
"""Stands where the zip wants a time, so that equal runs give equal files."""

MARGIN = 0.02
"""Share of the raster's extent that is shown around it."""


def shown(vectors: Sequence[Path]) -> Path:
    """Return the vector file that a project loads.

    Raises:
        OptionError: QGIS may not open any of them.
    """
    for suffix in READ_BY_ALL:
        for path in vectors:
            if path.suffix.lower() == suffix:
                return path
    raise OptionError(
        f"--project needs footprints that every QGIS opens (got {vectors[0].suffix}, "
        f"expected {', '.join(READ_BY_ALL)}); add --out {vectors[0].with_suffix('.gpkg').name}"
    )


def check_place(info: RasterInfo) -> None:
    """Refuse a raster that QGIS would draw elsewhere than its footprints.

    Raises:
        OptionError: it has neither a CRS nor a transform.
    """
    if info.transform.is_identity:
        raise OptionError(
            f"{info.path}: has no place, and QGIS counts its rows upwards; leave --project out, or "
            "give it one: gdal_translate -a_srs EPSG:NNNN -a_ullr ULX ULY LRX LRY"
        )


def write_project(path: Path, home: Path, layers: Sequence[Layer], info: RasterInfo) -> None:
    """Write a project that shows a raster's extent in its CRS.

    Args:
        path: file to write; the caller stages it.
        home: folder that the project will stand in, which its paths start from.
        layers: the topmost first.
        info: of the raster.
    """
    root = ET.Element("qgis", version=QGIS, projectname=info.path.stem)
    ET.SubElement(root, "title").text = info.path.stem
    ET.SubElement(root, "projectCrs").append(_srs(info.crs))
    tree = ET.SubElement(root, "layer-tree-group")
    known = ET.SubElement(root, "projectlayers")
    for number, layer in enumerate(layers):
        name, source = f"geounet_layer_{number}", _source(layer, home)  # QGIS forgets short names
        tree.append(_entry(layer, name, source))
        known.append(_layer(layer, name, source))
    _canvas(root, info)
    _settings(root)
    ET.indent(root)
    text = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    text += ET.tostring(root, encoding="unicode") + "\n"
    with ZipFile(path, "w") as file:
        file.writestr(ZipInfo(f"{info.path.stem}.qgs", MOMENT), text, ZIP_DEFLATED)


def _entry(layer: Layer, name: str, source: str) -> ET.Element:
    """Return a layer's line in the legend."""
    settings = {
        "id": name,
        "name": layer.name,
        "source": source,
        "providerKey": layer.provider,
        "checked": "Qt::Checked" if layer.visible else "Qt::Unchecked",
        "expanded": "1" if layer.visible else "0",
    }
    return ET.Element("layer-tree-layer", settings)


def _layer(layer: Layer, name: str, source: str) -> ET.Element:
    element = ET.Element("maplayer", type=layer.kind, styleCategories="AllStyleCategories")
    if layer.kind == "vector":
        element.set("geometry", "Polygon")
    ET.SubElement(element, "id").text = name
    ET.SubElement(element, "datasource").text = source
    ET.SubElement(element, "layername").text = layer.name
    ET.SubElement(element, "srs").append(_srs(layer.crs))
    ET.SubElement(element, "provider", encoding="UTF-8").text = layer.provider
    if layer.look is not None:
        element.append(layer.look)
    return element


def _canvas(root: ET.Element, info: RasterInfo) -> None:
    canvas = ET.SubElement(root, "mapcanvas", name="theMapCanvas")
    extent = ET.SubElement(canvas, "extent")
    left, bottom, right, top = info.bounds
    wide, high = MARGIN * (right - left), MARGIN * (top - bottom)
    corners = {"xmin": left - wide, "ymin": bottom - high, "xmax": right + wide, "ymax": top + high}
    for corner, value in corners.items():
        ET.SubElement(extent, corner).text = repr(float(value))
    ET.SubElement(canvas, "rotation").text = "0"
    ET.SubElement(canvas, "destinationsrs").append(_srs(info.crs))


def _settings(root: ET.Element) -> None:
    properties = ET.SubElement(root, "properties")
    absolute = ET.SubElement(ET.SubElement(properties, "Paths"), "Absolute", type="bool")
    absolute.text = "false"
    moving = ET.SubElement(properties, "SpatialRefSys")  # else the project's CRS is not read
    ET.SubElement(moving, "ProjectionsEnabled", type="int").text = "1"


def _srs(crs: CRS | None) -> ET.Element:
    element = ET.Element("spatialrefsys")
    if crs is not None:
        ET.SubElement(element, "wkt").text = crs.to_wkt("WKT2_2019")
    return element


def _source(layer: Layer, home: Path) -> str:
    """Return where QGIS finds a layer: below or beside the project, or at an address."""
    if layer.source.startswith("/vsi"):
        return layer.source
    file = Path(layer.source)
    found = Path(os.path.relpath(file.parent.resolve() / file.name, home.resolve())).as_posix()
    found = found if found.startswith("..") else f"./{found}"
    return found if layer.table is None else f"{found}|layername={layer.table}"
