"""VRTs, recipes, and what a run that died left.

python tests/fuzz/settings.py --seconds 60
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from fuzzing import Target, main

from geounet.drivers import read_head
from geounet.records import Record, Records
from geounet.state import State
from geounet.training.recipefile import read_recipe
from geounet.vrt import check_vrt, is_markup

VRT = (
    b'<VRTDataset rasterXSize="50" rasterYSize="40"><SRS>EPSG:32633</SRS><GeoTransform>1,2,3,4,5,6</GeoTransform>'
    b'<VRTRasterBand dataType="Byte" band="1"><NoDataValue>0</NoDataValue><Description>a</Description>'
    b"</VRTRasterBand></VRTDataset>"
)
RECIPE = b'recipe = "buildings"\nsteps = 50\ngsd_range = [0.2, 0.4]\n[augment]\nd4 = 1.0\n'


def vrt(path: Path) -> None:
    """A VRT, as it is looked through before GDAL sees it."""
    head = read_head(path)
    if is_markup(head):
        check_vrt(path, head, allow_vrt=False)


def records(path: Path) -> None:
    """The log of cells: what is torn is cut off, all else is read."""
    with Records(path) as found:
        for record in list(found.recover()):
            found.arrays(record)


def state(path: Path) -> None:
    """The settings of a run that died."""
    folder = path.with_name("o.gpkg.state")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "run.json").write_bytes(path.read_bytes())
    with State(path.with_name("o.gpkg")) as found:
        found.settled({"raster": "a.tif", "model": "m"})


def log() -> bytes:
    """The bytes of two records."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.log"
        with Records(path) as found:
            found.append(Record(0, 0, 100, 0, 7), b"hello")
            found.append(Record(1, 0, 100, 0, 7), b"")
        return path.read_bytes()


RUN = json.dumps(
    {"key": {"raster": "a.tif", "model": "m"}, "settled": {"plan": {}, "engine": {}}}
).encode()
TARGETS = (
    Target("vrt", ".vrt", (VRT,), vrt),
    Target("recipe", ".toml", (RECIPE,), read_recipe),
    Target("recipe-json", ".json", (b'{"steps": 50, "gsd_range": [0.2, 0.4]}',), read_recipe),
    Target("records", ".log", (log(),), records),
    Target("state", ".json", (RUN,), state),
)

if __name__ == "__main__":
    sys.exit(main(TARGETS))
