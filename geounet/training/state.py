"""The state of a training, kept beside its model until it is done: numbers and JSON, one file."""

from __future__ import annotations

import json
import shutil
import warnings
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from geounet.errors import GeounetWarning, OptionError, TrainingError
from geounet.outputs import make_folder, staged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

KEY = "geounet.training"
MOST_SHOWN = 4


class StateFolder:
    """`OUT.state/`: the last state, the record and the best model so far."""

    def __init__(self, out: Path) -> None:
        """Look at nothing yet."""
        self.path = out.with_name(f"{out.name}.state")
        self.record = self.path / "log.csv"
        self.best = self.path / "best.safetensors"
        self.last = self.path / "last.safetensors"
        self._state = self.path / "state.safetensors"

    @property
    def begun(self) -> bool:
        """Whether there is a state to go on from."""
        return self._state.exists()

    def check(self, *, resume: bool) -> None:
        """Refuse to start over what was begun; say when there is nothing to go on with.

        Raises:
            OptionError: when a state is there and `resume` was not asked for.
        """
        if self.begun and not resume:
            raise OptionError(
                f"{self.path}: a training was interrupted here; "
                "add --resume to go on, or delete the folder to start over"
            )
        if resume and not self.begun:
            told = f"{self.path}: no state to go on from; training starts at the beginning"
            warnings.warn(told, GeounetWarning, stacklevel=2)

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Replace the state in one step."""
        make_folder(self.path)
        with staged(self._state) as path:
            path.write_bytes(save(dict(tensors), {KEY: json.dumps(facts)}))

    def load(self, identity: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and facts of the last state.

        Args:
            identity: what the run to go on is, JSON values; the state's must be the same.

        Raises:
            OptionError: when they differ; the first differences are named.
            TrainingError: when the file cannot be read.
        """
        try:
            with safe_open(self._state, "pt") as file:
                facts = json.loads((file.metadata() or {})[KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise TrainingError(
                f"{self._state}: cannot be read ({error}); delete {self.path} to start over"
            ) from error
        found = [*_differences(facts["identity"], json.loads(json.dumps(identity)))]
        if found:
            more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
            raise OptionError(
                f"{self.path}: was begun with other settings: {'; '.join(found[:MOST_SHOWN])}{more}"
                "; set them back, or delete the folder to start over"
            )
        return tensors, facts

    def discard(self) -> None:
        """Remove the folder: the training is done."""
        shutil.rmtree(self.path)


def _differences(then: Any, now: Any, name: str = "") -> Iterator[str]:  # noqa: ANN401
    """What differs, entry by entry."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in {**then, **now}:
            yield from _differences(then.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif then != now:
        yield f"{name} was {_short(then)}, is {_short(now)}"


def _short(value: Any) -> str:  # noqa: ANN401
    return "not there" if value is None else str(value)
