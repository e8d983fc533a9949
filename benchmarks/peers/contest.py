"""The process of one contestant: import, then measure the work, then say so as one JSON line."""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

from job import Job

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Run the job that the first argument holds."""
    job = Job.from_json(sys.argv[1])
    answer = os.dup(1)
    os.dup2(2, 1)  # peers print; the answer has a line of its own
    sys.path.append(str(ROOT))  # the network is ours in every environment
    work = importlib.import_module(f"contestants.{job.contestant}").load(job)
    idle, started, spent = memory("VmRSS"), time.perf_counter(), cpu_seconds()
    outcome = work()
    figures = {
        "cpu_s": round(cpu_seconds() - spent, 3),
        "wall_s": round(time.perf_counter() - started, 3),
        "process_cpu_s": round(cpu_seconds(), 3),
        "peak_mb": memory("VmHWM"),
        "above_imports_mb": memory("VmHWM") - idle,
        "halo": job.halo if outcome.halo is None else outcome.halo,
        "note": outcome.note,
        "result": str(outcome.result),
        "step": outcome.step,
        "versions": {name: version(name) for name in outcome.packages},
    }
    os.write(answer, json.dumps(figures).encode())


def cpu_seconds() -> float:
    """Return user and system time of this process and of what it started."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    parts = [resource.getrusage(kind) for kind in kinds]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def memory(entry: str) -> int:
    """Return resident memory (`VmRSS`) or its peak (`VmHWM`), MB.

    Not `ru_maxrss`, which a process inherits from the one that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(entry):
            return int(line.split()[1]) // 1024
    raise KeyError(entry)


if __name__ == "__main__":
    main()
