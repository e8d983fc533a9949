"""What a worker process does: units from its input, outcomes to its output, a line of JSON each."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import asdict
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from geounet.errors import GeounetWarning
from geounet.survey.scene import run_scene
from geounet.survey.words import unit_of_json

if TYPE_CHECKING:
    from geounet.survey.work import Unit

STOPS = ("SIGINT", "SIGTERM", "SIGHUP")
LOGS = ("geounet", "rasterio")
"""What is logged here as it is in the parent."""
EVERY = 0.5
"""Seconds between two words on how far a scene is."""


def serve() -> None:
    """Do units from the standard input until it ends; what becomes of each is written to output."""
    for name in STOPS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)  # the parent decides
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what others print is no answer
    logging.basicConfig(level=logging.WARNING, format="geounet: %(message)s")
    for name, level in zip(LOGS, sys.argv[1:], strict=True):
        logging.getLogger(name).setLevel(int(level))
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", GeounetWarning)
    warnings.showwarning = lambda message, *_, **__: _say(answers, {"warning": str(message)})
    units: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(units,), daemon=True).start()
    while True:
        progress = _Progress(answers)
        _say(answers, {"outcome": asdict(run_scene(unit_of_json(units.get()), progress))})


class _Progress:
    """Tells the parent how far a scene is, not too often."""

    def __init__(self, answers: IO[str]) -> None:
        """Tell nothing yet."""
        self._answers, self._told = answers, time.monotonic()

    def __call__(self, _: Unit, done: int, total: int) -> None:
        """Tell of tiles done and in total."""
        if time.monotonic() - self._told > EVERY:
            self._told = time.monotonic()
            _say(self._answers, {"tiles": [done, total]})


def _read(units: SimpleQueue[str]) -> None:
    """Hand on lines; when there are no more the parent is gone, or wants us to be."""
    for line in sys.stdin:
        units.put(line)
    os._exit(0)


def _say(answers: IO[str], message: dict[str, Any]) -> None:
    with suppress(OSError):  # the parent is gone, which its pipe tells the reading thread too
        answers.write(json.dumps(message) + "\n")
        answers.flush()
