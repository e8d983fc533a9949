"""`geounet doctor`: one paste for a bug report."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version

import click

PACKAGES = (
    "geounet", "torch", "torchvision", "segmentation-models-pytorch", "rasterio", "pyogrio",
    "geopandas", "shapely", "pyproj", "numpy", "scikit-learn", "onnxruntime", "openvino",
)  # fmt: skip


@click.command("doctor", short_help="Versions, device, threads: one paste for a bug report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> None:
    """Say what geounet runs on.

    Example: geounet doctor
    """
    facts = {**_system(), **_libraries(), **_torch(), **_models()}
    if as_json:
        click.echo(json.dumps(facts))
        return
    for key, value in facts.items():
        click.echo(f"{key:<28} {value}")


def _system() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": str(cores),
        **{package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


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
    return facts


def _models() -> dict[str, str]:
    from geounet.model import bundled_models

    return {"models": ", ".join(bundled_models()) or "none"}
