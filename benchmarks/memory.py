"""Peak memory of `geounet predict` over growing rasters: flat is the claim.

    python benchmarks/memory.py --size 20000 --source mosaic.tif --gsd native --model pointwise

A source raster is repeated to the size asked for (once N wide and N / 2 tall, once N by N), each
is predicted in a process of its own, and the peak resident memory of the two is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

SAMPLE = Path(__file__).parents[1] / "sample_data" / "town.tif"


def main() -> None:
    """Measure and print one JSON line a run, then the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=8000)
    parser.add_argument("--source", type=Path, default=SAMPLE)
    parser.add_argument("--model", default="buildings", help="a model, or 'pointwise'")
    parser.add_argument("--gsd", default="model")
    parser.add_argument("--folder", type=Path, help="keep the rasters here")
    options = parser.parse_args()
    machine = {"machine": platform.machine(), "cores": os.cpu_count()}
    print(json.dumps(machine | {"python": platform.python_version()}))
    with tempfile.TemporaryDirectory() as folder:
        place = options.folder or Path(folder)
        model = pointwise(place) if options.model == "pointwise" else options.model
        peaks = [
            measure(
                repeated(options.source, place, height, options.size),
                place,
                str(model),
                options.gsd,
            )
            for height in (options.size // 2, options.size)
        ]
    print(f"peak at {options.size}²: {peaks[1] / 1e9:.2f} GB, "
          f"{peaks[1] / peaks[0]:.3f} × the peak at half the height")  # fmt: skip


def repeated(source: Path, folder: Path, height: int, width: int) -> Path:
    """Return a JPEG GeoTIFF of the source repeated side by side."""
    path = folder / f"{source.stem}-{width}x{height}.tif"
    if path.exists():
        return path
    with rasterio.open(source) as file:
        image, profile = file.read((1, 2, 3)), file.profile
    tile = image.shape[1:]
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=3, dtype="uint8",
        crs=profile["crs"], transform=profile["transform"], tiled=True, blockxsize=512,
        blockysize=512, compress="jpeg", photometric="ycbcr", bigtiff="IF_SAFER",
    ) as out:  # fmt: skip
        for top in range(0, height, 512):
            rows = np.arange(top, min(top + 512, height)) % tile[0]
            strip = image[:, rows][:, :, np.arange(width) % tile[1]]
            out.write(strip, window=Window(0, top, width, len(rows)))
    return path


def pointwise(folder: Path) -> Path:
    """Return a model that looks at one pixel: brightness decides."""
    import torch  # noqa: PLC0415

    from geounet.model import ModelCard, Segmenter, save_model  # noqa: PLC0415
    from geounet.networks.registry import build  # noqa: PLC0415

    network = build("pointwise", {})
    torch.nn.init.constant_(network.head.weight, 1.0)
    torch.nn.init.constant_(network.head.bias, 0.0)
    path = folder / "pointwise.safetensors"
    card = ModelCard(name="pointwise", network="pointwise", receptive_field=0, min_area_m2=4)
    save_model(path, Segmenter(card, network))
    return path


def measure(raster: Path, folder: Path, model: str, gsd: str) -> int:
    """Predict in a new process; return its peak resident memory in bytes."""
    out = folder / "out.gpkg"
    words = [
        "predict",
        str(raster),
        "-o",
        str(out),
        "-m",
        model,
        "--gsd",
        gsd,
        "-f",
        "--json",
        "-q",
    ]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "geounet.cli.main", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    keys = ("pixels", "polygons", "tile", "halo", "peak_memory_bytes", "mpix_per_s", "seconds")
    print(json.dumps({"raster": raster.name, "wall": round(time.monotonic() - started, 1)}
                     | {key: found[key] for key in keys}))  # fmt: skip
    return int(found["peak_memory_bytes"])


if __name__ == "__main__":
    main()
