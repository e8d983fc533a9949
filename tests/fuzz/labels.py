"""Labels: COCO, VIA, run lengths of COCO and Kaggle, vector layers.

python tests/fuzz/labels.py --seconds 60
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from affine import Affine
from fuzzing import Target, main
from pyproj import CRS

from geounet.annotations.coco import parse_shapes
from geounet.annotations.vector import read_layer, shapes_on
from geounet.annotations.via import is_via, parse_via
from geounet.documents import read_json
from geounet.reader import RasterInfo
from geounet.rle.coco import read_coco, run_lengths
from geounet.rle.kaggle import read_rows, row_counts

SHAPE = 40, 50
INFO = RasterInfo(
    path=Path("a.tif"), height=40, width=50, count=3, dtype=np.dtype("uint8"), nodata=None,
    transform=Affine(0.3, 0, 5e5, 0, -0.3, 5e6), crs=CRS.from_epsg(32633), block_shape=(16, 16),
)  # fmt: skip
IMAGE = {"id": 1, "file_name": "a.tif", "height": 40, "width": 50}


def coco(segmentation: object) -> bytes:
    """A COCO file of one object."""
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation}
    whole = {"images": [IMAGE], "annotations": [entry], "categories": [{"id": 1, "name": "house"}]}
    return json.dumps(whole).encode()


def via() -> bytes:
    """A VIA file with a region of most kinds."""
    shapes = (
        {"name": "rect", "x": 2, "y": 3, "width": 4, "height": 5},
        {"name": "circle", "cx": 9, "cy": 9, "r": 4},
        {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]},
    )
    regions = [{"shape_attributes": shape, "region_attributes": {"a": "b"}} for shape in shapes]
    return json.dumps({"a.tif9": {"filename": "a.tif", "size": 9, "regions": regions}}).encode()


def drawn(path: Path) -> None:
    """Shapes of a COCO file."""
    parse_shapes(read_json(path), path)


def runs(path: Path) -> None:
    """Run lengths of a COCO file, to their end."""
    for each in read_coco(path).objects:
        for _ in run_lengths(each, SHAPE):
            pass


def rows(path: Path) -> None:
    """Run lengths of a Kaggle file, to their end."""
    for row in read_rows(path):
        for _ in row_counts(row, SHAPE):
            pass


def regions(path: Path) -> None:
    """Shapes of a VIA file."""
    content = read_json(path)
    if is_via(content):
        parse_via(content, path)


def layer(path: Path) -> None:
    """Features on a raster."""
    shapes_on(read_layer(path), INFO, path)


RING = [[2, 2, 12, 2, 12, 12, 2, 12]]
LAYER = (
    b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":1},"geometry":{"type":'
    b'"Polygon","coordinates":[[[15,45.15],[15.0001,45.15],[15.0001,45.1501],[15,45.15]]]}}]}'
)
TARGETS = (
    Target("coco", ".json", (coco(RING), coco({"size": [40, 50], "counts": [9, 5, 1986]})), drawn),
    Target("runs", ".json", (coco({"size": [40, 50], "counts": [9, 5, 1986]}),
                             coco({"size": [40, 50], "counts": [2000]})), runs),
    Target("kaggle", ".csv", (b"ImageId,EncodedPixels\na,1 2 9 4\nb,\n", b'ImageId,ClassId,EncodedPixels\n"a",1,"5 5"\n'), rows),
    Target("via", ".json", (via(),), regions),
    Target("geojson", ".geojson", (LAYER,), layer),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(TARGETS))
