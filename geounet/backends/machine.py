"""What the machine is: its processor, and the versions of the engines on it."""

from __future__ import annotations

import os
import platform
import sys
from ctypes import CDLL
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells a container what it may take."""
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


def may_have_gpu() -> bool:
    """Return whether torch could find a GPU here, as far as one can tell without torch."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():  # AMD's driver
        return True
    try:
        CDLL("libcuda.so.1")  # comes with NVIDIA's driver, not with torch
    except OSError:
        return False
    return True


def threads_given() -> int | None:
    """Return what OMP_NUM_THREADS says, for engines that do not look at it themselves."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and int(said) else None


def memory() -> int | None:
    """Return the bytes of memory that processes here may take in all; None where unknown."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return min(size, _number(CGROUP / "memory.max") or size)


def free_memory() -> int | None:
    """Return the bytes of memory that are not in use; None where unknown."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    said = dict(line.split(":") for line in lines)
    free = int(said["MemAvailable"].split()[0]) * 1024
    most, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    return free if most is None or used is None else min(free, max(most - used, 0))


def _number(file: Path) -> int | None:
    """The number in a file of the system; None where there is none."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


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
