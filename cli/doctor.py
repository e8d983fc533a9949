"""`geounet doctor`: one paste for a bug report."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from tempfile import gettempdir

import click

from .known import models

PACKAGES = (
    "geounet", "torch", "torchvision", "segmentation-models-pytorch", "rasterio", "pyogrio",
    "geopandas", "shapely", "pyarrow", "pyproj", "numpy", "scikit-learn", "onnxruntime", "openvino",
    "nncf",
)  # fmt: skip


EXTRAS = {
    "train": ("lightning", "matplotlib"),
    "embeddings": ("pyarrow", "umap-learn", "bokeh", "matplotlib"),
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino", "nncf"),
    "parquet": ("pyarrow",),
    "dask": ("distributed", "fsspec"),
}
"""What `pip install 'geounet[NAME]'` brings."""


@click.command("doctor", short_help="Versions, device, threads: one paste for a bug report.")
@click.option(
    "-m",
    "--model",
    default="buildings",
    show_default=True,
    shell_complete=models,
    help="What each engine is tried with.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, model: str, as_json: bool) -> None:
    """Say what geounet runs on, and whether it works: one paste for a bug report.

    The first time each engine takes some seconds to try; what was measured is kept.

    Example: geounet doctor
    """
    facts = {**_system(), **_room(), **_libraries(), **_torch(), **_extras(), **_models()}
    facts |= _engines(model)
    if as_json:
        click.echo(json.dumps(facts))
        return
    for key, value in facts.items():
        click.echo(f"{key:<28} {value}")


def _system() -> dict[str, str]:
    from geounet.backends.machine import cores, cpu_flags, cpu_name, package_version

    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": cpu_name(),
        "instructions": " ".join(cpu_flags()) or "unknown",
        "cores": str(cores()),
        **{package: package_version(package) for package in PACKAGES},
    }


def _room() -> dict[str, str]:
    """Memory and disk; where things are kept between runs."""
    from geounet.backends.cache import folder
    from geounet.backends.machine import free_memory, memory

    there, free = memory(), free_memory()
    words = "unknown" if there is None else f"{there / 1e9:.1f} GB"
    words += "" if free is None else f", {free / 1e9:.1f} GB free"
    here, temporary = (shutil.disk_usage(place).free / 1e9 for place in (".", gettempdir()))
    return {
        "memory": words,
        "disk here": f"{here:.1f} GB free",
        "disk for temporary files": f"{temporary:.1f} GB free in {gettempdir()}",
        "cache": str(folder()),
    }


def _extras() -> dict[str, str]:
    """The extras of which something lacks."""
    from geounet.backends.machine import package_version

    found = {}
    for extra, packages in EXTRAS.items():
        lacking = [each for each in packages if package_version(each) == "not installed"]
        cure = f"lacks {', '.join(lacking)}; pip install 'geounet[{extra}]'"
        found[f"extra {extra}"] = cure if lacking else "complete"
    return found


def _libraries() -> dict[str, str]:
    import pyogrio
    import pyproj
    import rasterio
    import shapely

    return {
        "GDAL of rasterio": str(rasterio.__gdal_version__),
        "GDAL of pyogrio": ".".join(map(str, pyogrio.__gdal_version__)),
        "PROJ": str(pyproj.proj_version_str),
        "GEOS": ".".join(map(str, shapely.geos_version)),
    }


def _torch() -> dict[str, str]:
    import torch

    from geounet.backends.torch import best_device, best_precision

    device = best_device("auto")
    facts = {
        "device": device,
        "precision": best_precision("auto", device),
        "threads": str(torch.get_num_threads()),
        "cpu capability": str(torch.backends.cpu.get_cpu_capability()),
    }
    if device == "cuda":
        facts["card"] = torch.cuda.get_device_name()
        facts["CUDA"] = str(torch.version.cuda)
        facts["driver"] = _driver()
        free, there = torch.cuda.mem_get_info()
        facts["memory of the card"] = f"{there / 1e9:.1f} GB, {free / 1e9:.1f} GB free"
    return facts


def _driver() -> str:
    """The version of the driver, as its own tool says."""
    line = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip().partition("\n")[0]


def _models() -> dict[str, str]:
    from geounet.model import bundled_models

    return {"models": ", ".join(bundled_models()) or "none"}


def _engines(name: str) -> dict[str, str]:
    """What each engine does with a model's golden tile; those that are not there, too."""
    from geounet.backends.choose import verdicts
    from geounet.backends.engine import PACKAGES as ENGINES
    from geounet.backends.engine import installed
    from geounet.backends.load import load
    from geounet.errors import ModelError

    found = verdicts(load(name))
    if not found:
        raise ModelError(f"{name}: has no golden tile to try engines with; name another --model")
    lacking = {
        f"engine {each}": f"not installed; pip install 'geounet[{each}]'"
        for each in ENGINES
        if not installed(each)
    }
    return {f"engine {each.name}": each.words for each in found} | lacking
