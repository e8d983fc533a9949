"""One virtual environment a peer, because their pins clash; torch is shared, so that it is equal.

Each environment sees the packages of the interpreter that runs the benchmark, and its own before
them: what a peer needs in another version is installed beside, everything else is the same file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

PINS: dict[str, tuple[str, ...]] = {
    "torchgeo": ("torchgeo==0.8.1", "requests"),
    "monai": ("monai==1.6.1",),
    "toolbelt": ("pytorch-toolbelt==0.8.0",),
    "omnicloudmask": ("omnicloudmask==1.8.1",),
    "geoai": ("geoai-py==0.40.1",),
    "rastervision": (
        "rastervision_core==0.31.1",
        "rastervision_pytorch_learner==0.31.1",
        "rastervision_pytorch_backend==0.31.1",
    ),
    "tiler": ("tiler==0.6.0",),
}
"""What is installed for each peer, from the index."""

PACKAGES = ("site-packages", "dist-packages")
"""Names of the folders that hold installed packages."""

SHARED = ("torch", "torchvision")
"""Packages that every peer has in our version."""


def python_of(folder: Path, peer: str) -> Path:
    """Return the interpreter of a peer's environment; ours when it needs none."""
    return folder / peer / "bin" / "python" if peer in PINS else Path(sys.executable)


def prepare(folder: Path, peer: str) -> str | None:
    """Make a peer's environment; return one line of why it cannot be had, or None."""
    home = folder / peer
    failed = home / "failed.txt"
    venv.create(home, symlinks=True)
    packages = next((home / "lib").glob("python*/site-packages"))
    ours = [place for place in sys.path if Path(place).name in PACKAGES]
    (packages / "shared.pth").write_text("\n".join(ours) + "\n", encoding="utf-8")
    limits = home / "constraints.txt"
    limits.write_text("".join(f"{name}=={version(name)}\n" for name in SHARED), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(python_of(folder, peer)), "install"]
    done = subprocess.run(
        [*pip, "--quiet", "--constraint", str(limits), *PINS[peer]],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    if done.returncode == 0:
        failed.unlink(missing_ok=True)
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    reason = (errors or done.stderr.strip().splitlines() or ["pip failed"])[-1]
    failed.write_text(reason, encoding="utf-8")
    return reason
