"""Half a million footprints: written as each kind of file, read in part, drawn by QGIS.

    python benchmarks/formats.py [--count 500000] [--folder FOLDER] [--qgis /usr/bin/python3]

Each kind is written in a process of its own. `copy_s` and `copy_mb` are what it adds to the
GeoPackage that all others are copied from: CPU seconds, and peak memory. `box_ms` reads the
footprints of 1 km² in the middle. QGIS, where a Python that has it is given, draws the GeoPackage
with its own style: all of it, and such a square.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KINDS = (".gpkg", ".parquet", ".fgb", ".geojson", ".shp")
BLOCK = 1_000
"""Edge of the block of footprints that is laid out again and again, pixels of 0.3 m."""

ENVIRONMENT = ("PYTHONPATH", "PROJ_LIB", "PROJ_DATA", "GDAL_DATA")
"""What would lead the system's Python to our libraries."""


def main() -> None:
    """Write, read, draw; print one JSON line each."""
    words = _words()
    if words.draw:
        print(json.dumps(draw(words.draw)), flush=True)
        os._exit(0)  # Qt may crash while it tears down
    if words.write:
        print(json.dumps(write(words.count, words.write)))
        return
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        alone = None
        for kind in KINDS:
            path = Path(folder) / f"out{kind}"
            found = _child(sys.executable, "--count", words.count, "--write", path)
            alone = alone or found
            parts = [each for each in Path(folder).glob("out.*") if each.suffix != ".gpkg"]
            size = sum(each.stat().st_size for each in parts or [path])
            line = {"kind": kind, "file_mb": round(size / 1e6, 1), **found}
            if kind != ".gpkg":
                line |= {"copy_s": round(found["cpu"] - alone["cpu"], 2)}
                line |= {"copy_mb": round(found["peak_mb"] - alone["peak_mb"])}
                for each in parts:
                    each.unlink()
            print(json.dumps(line), flush=True)
        if words.qgis.exists():
            print(json.dumps(_child(words.qgis, "--draw", Path(folder) / "out.gpkg")), flush=True)


def write(count: int, path: Path) -> dict[str, float]:
    """Write a GeoPackage, and from it the kind that the path's suffix names."""
    from geounet.footprints.formats import convert  # noqa: PLC0415
    from geounet.footprints.spool import Spool  # noqa: PLC0415
    from geounet.footprints.stored import Stored  # noqa: PLC0415
    from geounet.footprints.table import TableOptions, write_gpkg  # noqa: PLC0415

    package = path.with_suffix(".gpkg")
    package.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, Spool(Path(folder)) as spool:
        info = _fill(spool, count)
        started = time.process_time()
        written = write_gpkg(package, spool, info, TableOptions(source="town.tif"), {"a": 1})
        if path != package:
            rows = Stored(package=package, layer="buildings", crs=info.crs, facts={"a": 1})
            convert([rows], path)
        spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    box = _read_box(path, info.bounds)
    return {"rows": written, "cpu": round(spent, 2), "peak_mb": round(peak / 1e6)} | box


def draw(path: Path) -> dict[str, float]:
    """Draw a GeoPackage in QGIS; return seconds, best of three."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    for variable in ("XDG_RUNTIME_DIR", "QGIS_CUSTOM_CONFIG_PATH"):
        os.environ[variable] = tempfile.mkdtemp()
    import qgis.core as q  # noqa: PLC0415
    from qgis.PyQt.QtCore import QSize  # noqa: PLC0415

    application = q.QgsApplication([], False)  # noqa: FBT003  a Qt signature
    application.initQgis()
    layer = q.QgsVectorLayer(f"{path}|layername=buildings", "buildings", "ogr")
    middle = layer.extent().center()
    square = q.QgsRectangle(middle.x(), middle.y(), middle.x() + 1000, middle.y() + 1000)
    found = {"rows": layer.featureCount(), "style": layer.renderer().type()}
    for name, extent in (("all", layer.extent()), ("square", square)):
        settings = q.QgsMapSettings()
        settings.setLayers([layer])
        settings.setOutputSize(QSize(1000, 1000))
        settings.setDestinationCrs(layer.crs())
        settings.setExtent(extent)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            job = q.QgsMapRendererParallelJob(settings)
            job.start()
            job.waitForFinished()
            times.append(time.perf_counter() - started)
        picture = Path(tempfile.gettempdir()) / f"geounet-{name}.png"
        job.renderedImage().save(str(picture))
        found |= {f"{name}_s": round(min(times), 2), f"{name}_picture": str(picture)}
    return found


def _fill(spool: object, count: int) -> object:
    """Put footprints of four to eight corners into a spool, block after block."""
    import numpy as np  # noqa: PLC0415
    from affine import Affine  # noqa: PLC0415
    from pyproj import CRS  # noqa: PLC0415

    from geounet.reader import RasterInfo  # noqa: PLC0415

    block = _block()
    side = int(np.ceil(np.sqrt(count / len(block))))
    left = count
    for row, col in np.ndindex(side, side):
        part = block.take(np.arange(min(len(block), left)))
        moved = np.int32([row, col]) * BLOCK
        object.__setattr__(part, "coords", part.coords + moved)
        spool.append(part)
        left -= len(part)
    return RasterInfo(
        path=Path("town.tif"), height=side * BLOCK, width=side * BLOCK, count=1,
        dtype=np.dtype(np.uint8), transform=Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000),
        crs=CRS(32633), nodata=None, block_shape=(512, 512),
    )  # fmt: skip


def _block() -> object:
    """Return the footprints of one block: rectangles and L-shapes, confidence 0.5 to 1."""
    import numpy as np  # noqa: PLC0415

    from geounet.footprints.corners import trace_cell  # noqa: PLC0415
    from geounet.footprints.rings import concatenate  # noqa: PLC0415
    from geounet.footprints.trace import Tracer  # noqa: PLC0415

    rng = np.random.default_rng(0)
    labels = np.zeros((BLOCK, BLOCK), np.uint8)
    q = np.zeros((1, BLOCK, BLOCK), np.uint8)
    for row in range(2, BLOCK - 22, 22):
        for col in range(2, BLOCK - 22, 22):
            height, width = rng.integers(8, 20, 2)
            labels[row : row + height, col : col + width] = 1
            labels[row : row + rng.integers(0, 5), col : col + rng.integers(2, 6)] = 0
            q[0, row : row + 20, col : col + 20] = rng.integers(127, 255)
    tracer = Tracer(labels.shape, 1)
    return concatenate([tracer.add_strip([trace_cell(labels, q, 1)]), tracer.finish()])


def _read_box(path: Path, bounds: tuple[float, float, float, float]) -> dict[str, float]:
    """Read the footprints of the square in the middle, best of three."""
    import geopandas  # noqa: PLC0415
    from pyproj import Transformer  # noqa: PLC0415

    x, y = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    box = (x, y, x + 1000, y + 1000)
    if path.suffix == ".geojson":
        box = Transformer.from_crs(32633, 4326, always_xy=True).transform_bounds(*box)
    times, layer = [], "buildings" if path.suffix == ".gpkg" else None
    for _ in range(3):
        started = time.perf_counter()
        if path.suffix == ".parquet":
            rows = geopandas.read_parquet(path, bbox=box)
        else:
            rows = geopandas.read_file(path, bbox=box, layer=layer)
        times.append(time.perf_counter() - started)
    return {"box_rows": len(rows), "box_ms": round(1000 * min(times))}


def _child(python: str | Path, *words: object) -> dict[str, float]:
    """Run this file in another process; return what it prints last."""
    environment = dict(os.environ)
    if str(python) != sys.executable:
        environment = {key: text for key, text in environment.items() if key not in ENVIRONMENT}
    command = [str(python), __file__, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--qgis", type=Path, default=Path("/usr/bin/python3"))
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
