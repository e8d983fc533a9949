"""Units done by processes of our own, one scene at a time each.

A worker is a fresh interpreter that reads units from its input, a line each, and ends with it, so
none outlives its parent, however that dies. One that dies itself costs the scene it was at, and
that is tried once more when the others are done, alone.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from geounet.backends.machine import cores, may_have_gpu
from geounet.errors import GeounetWarning
from geounet.model import BASELINES
from geounet.survey.scene import failed, in_turn
from geounet.survey.serve import LOGS
from geounet.survey.words import unit_as_json
from geounet.survey.work import Outcome, Unit

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from geounet.options import PredictOptions
    from geounet.survey.work import Hands, Progress

COMMAND = "from geounet.survey.serve import serve; serve()"


def hands_of(options: PredictOptions, workers: int | None = None) -> Hands:
    """Return who does a survey on this machine: this process, or several of our own.

    Args:
        options: of the predictions.
        workers: how many; None: one for each GPU, or this process alone.
    """
    gpus = _gpus(options)
    count = max(len(gpus), 1) if workers is None else workers
    if count == 1:
        return in_turn
    return partial(by_workers, seats=_seats(count, gpus))


def by_workers(
    units: Iterable[Unit], progress: Progress, *, seats: Sequence[Mapping[str, str]]
) -> Generator[Outcome, None, None]:
    """Do units by processes of our own.

    Args:
        units: one is taken when a process is free.
        progress: called with a unit, its tiles done and its tiles in total.
        seats: environment of each process, beside that of this one.
    """
    again: list[Unit] = []
    with Crew(seats) as crew:
        for unit, outcome in crew.outcomes(iter(units), progress):
            if isinstance(outcome, Outcome):
                yield outcome
            else:
                again.append(unit)
    for unit in again:
        with Crew(seats[:1]) as crew:
            for _, outcome in crew.outcomes(iter([unit]), progress):
                yield outcome if isinstance(outcome, Outcome) else failed(unit, outcome)


@dataclass
class Worker:
    """A process of ours, and what it is at."""

    process: subprocess.Popen[str]
    """It."""
    seat: Mapping[str, str]
    """What is special about its environment."""
    unit: Unit | None = None
    """What it is at."""


class Crew:
    """Owner of worker processes, for a `with` block; they end with it, whatever they are at."""

    def __init__(self, seats: Sequence[Mapping[str, str]]) -> None:
        """Start none yet."""
        self._seats = seats
        self._inbox: SimpleQueue[tuple[Worker, dict[str, Any] | None]] = SimpleQueue()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Return the crew."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self._stack.close()

    def outcomes(
        self, units: Iterator[Unit], progress: Progress
    ) -> Iterator[tuple[Unit, Outcome | str]]:
        """Yield units with their outcomes, or how the process ended that was at it."""
        busy = sum(self._give(units, seat) for seat in self._seats)
        while busy:
            worker, message = self._inbox.get()
            unit = worker.unit
            if unit is None:  # it ended when it had nothing to do
                continue
            if message is not None and "outcome" not in message:
                _tell(unit, message, progress)
                continue
            worker.unit = None
            if message is None:
                yield unit, _ending(worker.process)
                busy += self._give(units, worker.seat) - 1
            else:
                yield unit, Outcome(**message["outcome"])
                busy += self._give(units, worker.seat, worker) - 1

    def _give(
        self, units: Iterator[Unit], seat: Mapping[str, str], worker: Worker | None = None
    ) -> int:
        """Give the next unit to a worker, or to a new one; return 1, 0 where there is none."""
        unit = next(units, None)
        if unit is None:
            return 0
        words = unit_as_json(unit)
        worker = worker or self._started(seat)
        worker.unit = unit
        assert worker.process.stdin is not None
        with suppress(OSError):  # it died just now, and the inbox will say so
            worker.process.stdin.write(f"{words}\n")
            worker.process.stdin.flush()
        return 1

    def _started(self, seat: Mapping[str, str]) -> Worker:
        levels = (str(logging.getLogger(name).getEffectiveLevel()) for name in LOGS)
        process = subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-c", COMMAND, *levels],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **seat},
            start_new_session=True,  # Ctrl-C is for us; they end with their input
        )
        worker = Worker(process, seat)
        listening = threading.Thread(target=self._listen, args=(worker,), daemon=True)
        listening.start()
        self._stack.callback(listening.join)
        self._stack.callback(_end, process)
        return worker

    def _listen(self, worker: Worker) -> None:
        assert worker.process.stdout is not None
        with worker.process.stdout as answers, suppress(ValueError):  # torn off in a line
            for line in answers:
                self._inbox.put((worker, json.loads(line)))
        self._inbox.put((worker, None))


def _tell(unit: Unit, message: dict[str, Any], progress: Progress) -> None:
    if "warning" in message:
        warnings.warn(message["warning"], GeounetWarning, stacklevel=2)
    else:
        progress(unit, *message["tiles"])


def _ending(process: subprocess.Popen[str]) -> str:
    """How a process ended that should not have, in words."""
    code = process.wait()
    if code == -9:  # noqa: PLR2004 - SIGKILL, which Windows does not know
        return "its process was killed (out of memory?); try a smaller --max-memory"
    return f"its process ended ({f'signal {-code}' if code < 0 else f'exit code {code}'})"


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with suppress(OSError, ValueError):
        assert process.stdin is not None
        process.stdin.close()
    process.wait()


def _seats(count: int, gpus: Sequence[str]) -> list[dict[str, str]]:
    """The environment of each process: its share of the cores, its GPU."""
    share = {"OMP_NUM_THREADS": str(max(cores() // count, 1))}
    return [
        share | ({"CUDA_VISIBLE_DEVICES": gpus[seat % len(gpus)]} if gpus else {})
        for seat in range(count)
    ]


def _gpus(options: PredictOptions) -> list[str]:
    """The names of the GPUs that a survey would use, one a process."""
    several = options.model if isinstance(options.model, tuple) else (options.model,)
    graphs = any(str(each) in BASELINES or str(each).endswith(".onnx") for each in several)
    cpu = options.device not in ("auto", "cuda") or options.backend in ("onnx", "openvino")
    if (
        graphs
        or cpu
        or not may_have_gpu()
        or not all(isinstance(each, str | os.PathLike) for each in several)
    ):
        return []
    from geounet.backends.torch import gpus  # noqa: PLC0415

    return gpus()
