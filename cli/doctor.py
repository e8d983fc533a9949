"""`geounet doctor`: one paste for a bug report."""

from __future__ import annotations

import json
import os
import platform

import click

from .known import models

PACKAGES = (
    "geounet", "torch", "torchvision", "segmentation-models-pytorch", "rasterio", "pyogrio",
    "geopandas", "shapely", "pyarrow", "pyproj", "numpy", "scikit-learn", "onnxruntime", "openvino",
    "nncf",
)  # fmt: skip


@click.command("doctor", short_help="Versions, device, threads: one paste for a bug report.")
@click.option(
    "-m",
    "--model",
    shell_complete=models,
    help="Also say what each engine does with this model.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, model: str | None, as_json: bool) -> None:
    """Say what geounet runs on.

    Example: geounet doctor --model buildings
    """
    facts = {**_system(), **_libraries(), **_torch(), **_models()}
    facts |= _engines(model) if model else {}
    if as_json:
        click.echo(json.dumps(facts))
        return
    for key, value in facts.items():
        click.echo(f"{key:<28} {value}")


def _system() -> dict[str, str]:
    from geounet.backends.machine import cpu_flags, cpu_name, package_version

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": cpu_name(),
        "instructions": " ".join(cpu_flags()) or "unknown",
        "cores": str(cores),
        **{package: package_version(package) for package in PACKAGES},
    }


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


def _engines(name: str) -> dict[str, str]:
    from geounet.backends.choose import verdicts
    from geounet.backends.load import load
    from geounet.errors import ModelError

    found = verdicts(load(name))
    if not found:
        raise ModelError(f"{name}: has no golden tile to try engines with")
    return {f"engine {each.name}": each.words for each in found}
