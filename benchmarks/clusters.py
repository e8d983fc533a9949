"""Time and memory of clustering very many embeddings, as they lie in a file.

    python benchmarks/clusters.py [--items 1000000] [--width 512] [--groups 6] [--folder CACHE]
    python benchmarks/clusters.py --whole

Writes vectors around a few centres (once, in another process), clusters them and prints one JSON
line: CPU seconds, the largest memory, the number of clusters, and whether they are the groups the
vectors were drawn from. With `--whole` the vectors lie in a GeoParquet with a square each, and all
that `geounet cluster` writes is written. The bars are 300 CPU seconds and 3 GB for a million.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from pipeline import machine
from pyarrow import parquet
from pyproj import CRS
from sklearn.metrics import adjusted_rand_score

from geounet.cluster import cluster_embeddings
from geounet.embeddings.clusters import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 20_000


def main() -> None:
    """Write, cluster, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--groups", type=int, default=6)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/cache"))
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    truth = np.random.default_rng(1).integers(0, options.groups, options.items)
    kind = "parquet" if options.whole else "npy"
    path = options.folder / f"vectors_{options.items}_{options.width}_{options.groups}.{kind}"
    if not path.exists():
        options.folder.mkdir(parents=True, exist_ok=True)
        write = write_table if options.whole else write_array
        writer = get_context("spawn").Process(target=write, args=(path, truth, options.width))
        writer.start()
        writer.join()
    print(json.dumps(machine()))
    started, wall = time.process_time(), time.monotonic()
    labels = whole(path) if options.whole else cluster(np.load(path, mmap_mode="r")).labels
    unit = 1 if sys.platform == "darwin" else 1024
    said = {
        "items": options.items,
        "width": options.width,
        "k": int(labels.max()) + 1,
        "rand_with_truth": round(float(adjusted_rand_score(truth, labels)), 4),
        "cpu_s": round(time.process_time() - started, 1),
        "wall_s": round(time.monotonic() - wall, 1),
        "peak_gb": round(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9, 3),
    }
    print(json.dumps(said))


def whole(path: Path) -> np.ndarray:
    """Write everything that there is to look at; return the clusters as the layer has them."""
    with TemporaryDirectory(dir=path.parent) as folder:
        out = Path(folder) / "out"
        cluster_embeddings(path, out)
        layer = out / "clusters.gpkg"
        table = pyogrio.read_dataframe(
            layer, layer="clusters", columns=["cluster"], read_geometry=False
        )
        return table["cluster"].to_numpy()


def chunks(truth: np.ndarray, width: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row and vectors of each chunk."""
    rng = np.random.default_rng(2)
    centres = 0.5 * rng.standard_normal((int(truth.max()) + 1, width), np.float32)
    for start in range(0, len(truth), CHUNK):
        those = truth[start : start + CHUNK]
        yield start, centres[those] + rng.standard_normal((len(those), width), np.float32)


def write_array(path: Path, truth: np.ndarray, width: int) -> None:
    """Write vectors alone."""
    part = path.with_suffix(".part")
    mapped = np.lib.format.open_memmap(part, "w+", np.float32, (len(truth), width))
    for start, vectors in chunks(truth, width):
        mapped[start : start + len(vectors)] = vectors
    mapped.flush()
    part.rename(path)


def write_table(path: Path, truth: np.ndarray, width: int) -> None:
    """Write vectors with an id, a square and a source each."""
    part = path.with_suffix(".part")
    column = {"encoding": "WKB", "geometry_types": ["Polygon"]}
    column["crs"] = CRS.from_epsg(32633).to_json_dict()
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("geometry", pa.binary()),
            ("source", pa.string()),
            ("embedding", pa.list_(pa.float32(), width)),
        ],
        {"geo": json.dumps(geo), "geounet": "{}"},
    )
    with parquet.ParquetWriter(part, schema, compression="zstd") as file:
        for start, vectors in chunks(truth, width):
            ids = np.arange(start, start + len(vectors))
            left, top = 500_000 + 30 * (ids % 1000), 5_400_000 + 30 * (ids // 1000)
            squares = shapely.to_wkb(shapely.box(left, top, left + 30, top + 30))
            lists = pa.FixedSizeListArray.from_arrays(vectors.ravel(), width)
            columns = [ids, squares, pa.array(["survey.tif"] * len(ids)), lists]
            file.write_table(pa.table(columns, schema=schema))
    part.rename(path)


if __name__ == "__main__":
    main()
