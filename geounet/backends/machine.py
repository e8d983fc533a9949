"""What the machine is: its processor, and the versions of the engines on it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ENGINES = ("torch", "onnxruntime", "openvino", "nncf")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
"""Instructions that engines make use of, x86 and ARM."""


def package_version(package: str) -> str:
    """Return the version of a package, or that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def engine_versions() -> dict[str, str]:
    """Return the versions of what networks are run with."""
    return {package: package_version(package) for package in ENGINES}


def cores() -> int:
    """Return the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_given() -> int | None:
    """Return what OMP_NUM_THREADS says, for engines that do not look at it themselves."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and int(said) else None


def cpu_name() -> str:
    """Return the name of the processor with family, model and stepping, where the system says."""
    says = _cpuinfo()
    parts = ("model name", "cpu family", "model", "stepping")
    return " ".join(says[part] for part in parts if part in says) or platform.processor()


def cpu_flags() -> tuple[str, ...]:
    """Return which of the instructions that matter the processor has; none where unknown."""
    says = _cpuinfo()
    there = (says.get("flags") or says.get("Features") or "").split()
    return tuple(flag for flag in FLAGS if flag in there)


def _cpuinfo() -> dict[str, str]:
    """The first processor of Linux's list, empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
