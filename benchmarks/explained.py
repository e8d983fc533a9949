"""Whether a network looks at buildings: the mean of its Grad-CAM on them and beside them.

    python benchmarks/explained.py RASTER TRUTH --layer encoder.3 decoder.1

One JSON line a layer: means as shares of the scene's largest value, and the CPU seconds of
`explain` as a multiple of those of a prediction with the same engine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import geopandas
import rasterio
from rasterio.features import rasterize

from geounet.explain.job import explain
from geounet.explain.task import ExplainOptions
from geounet.predict import PredictOptions, predict
from geounet.result import peak_memory


def main() -> None:
    """Explain with each layer, compare with the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raster")
    parser.add_argument("truth")
    parser.add_argument("--model", default="buildings")
    parser.add_argument("--layer", nargs="+", default=[None])
    options = parser.parse_args()
    asked = PredictOptions(
        model=options.model, backend="torch", precision="fp32", threads=1, overwrite=True
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        predict(options.raster, Path(folder) / "p.gpkg", asked)
        plain = time.process_time() - started
        for layer in options.layer:
            out = Path(folder) / "map.tif"
            started = time.process_time()
            done = explain(options.raster, out, ExplainOptions(layer=layer), asked)
            spent = time.process_time() - started
            words = {"layer": done.layer, "stride": done.stride, "cpu_s": round(spent, 1)}
            words |= {"of_a_prediction": round(spent / plain, 2)}
            print(
                json.dumps(words | compared(out, options.truth) | {"peak_mb": peak_memory() >> 20})
            )


def compared(out: Path, truth: str) -> dict[str, float]:
    """Return the mean of a map on buildings and beside them."""
    with rasterio.open(out) as source:
        values, transform, crs = source.read(1), source.transform, source.crs
    shapes = geopandas.read_file(truth).to_crs(crs).geometry
    on = rasterize(shapes, values.shape, transform=transform) == 1
    known = values < 255
    means = [values[known & part].mean() / 254 for part in (on, ~on)]
    return {"on": round(means[0], 3), "beside": round(means[1], 3),
            "ratio": round(means[0] / means[1], 2)}  # fmt: skip


if __name__ == "__main__":
    main()
