"""What a prediction did, and what it took."""

from __future__ import annotations

import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geounet.assemble import Assembly
    from geounet.walk import Walk


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a prediction did."""

    out: tuple[Path, ...]
    """Files that were written, the footprints first."""
    pixels: int
    """Pixels of the grid that was inferred."""
    valid_pixels: int
    """Those with data."""
    tiles: int
    """Tiles the network saw."""
    tiles_skipped: int
    """Tiles without data."""
    polygons: int
    """Footprints written."""
    seconds: dict[str, float]
    """Wall time in total and of each stage."""
    device: str
    """Where the network ran."""
    precision: str
    """In which precision."""
    backend: str
    """With which engine."""
    tile: int
    """Edge of a tile."""
    halo: int
    """Context on each side."""
    receptive_field: int | None
    """Of the model."""
    peak_memory_bytes: int
    """Largest resident memory of this process so far."""
    model: str
    """Name of the model."""
    failed_pixels: int = 0
    """Pixels that could not be read, and were left out."""
    pixels_resumed: int = 0
    """Those of `pixels` that an earlier run had done."""
    finished_before: bool = False
    """The outputs stood there, and were left alone."""

    @property
    def mpix_per_s(self) -> float:
        """Million pixels of the grid a second in this run, everything included."""
        return (self.pixels - self.pixels_resumed) / 1e6 / max(self.seconds["total"], 1e-9)

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints, but for what concerns several scenes."""
        out = [str(path) for path in self.out]
        return {**asdict(self), "out": out, "mpix_per_s": round(self.mpix_per_s, 3)}


def summed(
    parts: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """Return the object that `--json` prints: counts are sums, settings those of the first scene.

    Args:
        parts: of `Result.as_dict`, one a scene.
        failed: `raster` and `error` of scenes that failed, wholly or in part.
    """
    whole: dict[str, Any] = {"scenes": len(parts), "failed": failed, **(parts or [{}])[0]}
    counts = ("pixels", "valid_pixels", "failed_pixels", "pixels_resumed", "finished_before")
    for key in (*counts, "tiles", "tiles_skipped", "polygons"):
        whole[key] = sum(part[key] for part in parts)
    whole["out"] = [path for part in parts for path in part["out"]]
    stages = {stage for part in parts for stage in part["seconds"]}
    seconds = {s: sum(part["seconds"].get(s, 0.0) for part in parts) for s in sorted(stages)}
    whole["seconds"] = {stage: round(spent, 3) for stage, spent in seconds.items()}
    done = whole["pixels"] - whole["pixels_resumed"]
    whole["mpix_per_s"] = round(done / 1e6 / max(seconds.get("total", 0.0), 1e-9), 3)
    whole["peak_memory_bytes"] = max((part["peak_memory_bytes"] for part in parts), default=0)
    return whole


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, bytes.

    What getrusage tells is also that of the process which started this one; Linux knows better.
    """
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="ascii").splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def result_of(walk: Walk, assembly: Assembly, polygons: int, pixels_resumed: int) -> Result:
    """Return what a walk did that is over."""
    plan, tally, info, step = walk.plan, walk.tally, walk.reader.info, walk.step
    return Result(
        out=assembly.order.targets.paths,
        pixels=info.height * info.width,
        valid_pixels=assembly.valid_pixels,
        tiles=tally.tiles,
        tiles_skipped=tally.skipped,
        polygons=polygons,
        seconds={stage: round(spent, 3) for stage, spent in tally.seconds.items()},
        device=step.device,
        precision=step.precision,
        backend=step.backend,
        tile=plan.grid.tile,
        halo=plan.grid.halo,
        receptive_field=step.card.receptive_field,
        peak_memory_bytes=peak_memory(),
        model=step.card.name,
        failed_pixels=assembly.failed_pixels,
        pixels_resumed=pixels_resumed,
    )
