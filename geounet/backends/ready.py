"""A model that several runs share, and what was made of it for the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geounet.backends.engine import make_step

if TYPE_CHECKING:
    from geounet.backends import Model, Step
    from geounet.backends.engine import Engine


class Ready:
    """Owner of an open model and of its last step; not for several threads."""

    def __init__(self, model: Model) -> None:
        """Make no step yet."""
        self.model = model
        self._last: tuple[Engine, Step] | None = None

    def of(self, model: Model) -> Ready:
        """Return this one, or one for what a scene has made of the model."""
        return self if model is self.model else Ready(model)

    def step(self, engine: Engine) -> Step:
        """Return the step of the model, the last one where it was made for the same engine.

        Raises:
            ModelError: when the engine is not installed, or cannot run the model.
        """
        if self._last is None or self._last[0] != engine:
            self._last = None  # what it holds of a device is free before the next one is made
            self._last = engine, make_step(self.model, engine)
        return self._last[1]
