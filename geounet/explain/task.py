"""What is to be explained: settled from what was asked, and carried out over a scene."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from geounet.backends.load import load
from geounet.backends.torch import free_memory
from geounet.errors import GeounetWarning, ModelError, OptionError
from geounet.explain.layers import find_layer
from geounet.explain.scene import Scene
from geounet.explain.steps import ActivationStep, GradientStep, ready_device
from geounet.halo import covering, is_affordable
from geounet.memory import Room
from geounet.model import Segmenter
from geounet.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.explain.scene import Cells
    from geounet.networks.layers import Layer
    from geounet.plan import Plan
    from geounet.predict import PredictOptions
    from geounet.reader import Reader

BACKWARD = 2
"""What a pass back to a layer keeps, in activations of a pass that keeps nothing."""


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """What is to be explained."""

    layer: str | None = None
    """Name of a layer; None takes the bottleneck."""
    channel: int | Literal["mean"] | None = None
    """The activation of this channel, or the mean of all; None: Grad-CAM."""
    of_class: str | None = None
    """Class that Grad-CAM explains; None takes the first."""
    overlay: Path | None = None
    """PNG of the map over the image; None puts it beside the raster."""


@dataclass(frozen=True)
class Task:
    """What is to be explained, settled."""

    segmenter: Segmenter
    """The network and its card."""
    layer: Layer
    """Where it is watched."""
    channel: int | Literal["mean"] | None
    """Whose activation is asked for."""
    number: int | None
    """Of the class that Grad-CAM explains; None: an activation is asked for."""
    device: str
    """Where the network runs."""
    threshold: float
    """Probability from which a pixel is found."""

    @classmethod
    def of(cls, options: ExplainOptions, inference: PredictOptions) -> Task:
        """Return the task, or refuse what cannot be explained."""
        segmenter = load(inference.model, inference.scale)
        if not isinstance(segmenter, Segmenter):
            raise ModelError(
                f"model {segmenter.card.name}: one network with its weights is looked into, "
                "not a graph, nor several; pass one .safetensors file"
            )
        card = segmenter.card
        layer = find_layer(segmenter.network, len(card.bands), options.layer)
        if isinstance(options.channel, int) and not 0 <= options.channel < layer.channels:
            raise OptionError(
                f"layer {layer.name} has channels 0 to {layer.channels - 1}, got {options.channel}"
            )
        device = ready_device(inference.device, inference.threads)
        asked = inference.plan.threshold
        threshold = card.threshold if asked is None else asked
        return cls(segmenter, layer, options.channel, _number(options, card.classes), device,
                   threshold)  # fmt: skip

    @property
    def words(self) -> str:
        """What the map is."""
        if self.number is not None:
            return f"Grad-CAM of {self.segmenter.card.classes[self.number]} at {self.layer.name}"
        which = f"channel {self.channel}"
        if self.channel == "mean":
            which = f"mean of {self.layer.channels} channels"
        return f"activation of {self.layer.name}, {which}"

    def plan(self, shape: tuple[int, int], inference: PredictOptions, *, back: bool) -> Plan:
        """Return the plan of a pass; cores alone are kept.

        A gradient at the core hangs on pixels a field away, and those on what is a field farther.

        Args:
            shape: of the grid.
            inference: what was asked of tiles.
            back: the pass goes back to the layer.
        """
        card, asked = self.segmenter.card, inference.plan
        fields = 2 if back else 1
        halo = covering(card)
        if asked.halo == "auto" and halo is not None and is_affordable(fields * halo):
            asked = replace(asked, halo=fields * halo)
        memory = free_memory(self.device) if self.device.startswith("cuda") else None
        if back:
            card = replace(card, bytes_per_pixel=BACKWARD * card.bytes_per_pixel)
        room = Room(self.device, on_device=memory)
        return make_plan(shape, card, replace(asked, blend="crop"), room)

    def cells(
        self,
        reader: Reader,
        inference: PredictOptions,
        path: Path,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Cells:
        """Go through the scene: for Grad-CAM first for the weights, then for the map.

        Args:
            reader: of the scene.
            inference: what was asked of tiles.
            path: where the cells wait.
            progress: called with tiles done and tiles in total.
        """
        backs = (False,) if self.number is None else (True, False)
        plans = [self.plan(reader.info.shape, inference, back=back) for back in backs]
        total, done = sum(len(plan.grid) for plan in plans), 0

        def count() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        weights = self._weights(Scene(reader, plans[0], count))
        step = ActivationStep(
            self.segmenter, self.layer, self.device,
            weights=weights, positive=self.number is not None,
        )  # fmt: skip
        cells = Scene(reader, plans[-1], count).cells(step, path)
        return cells if self.number is None else replace(cells, low=0.0)

    def _weights(self, scene: Scene) -> NDArray[np.float64]:
        """What each channel counts."""
        count = self.layer.channels
        if self.channel == "mean":
            return np.full(count, 1 / count)
        if self.number is None:
            return np.eye(count)[self.channel]
        step = GradientStep(
            self.segmenter, self.layer, self.device,
            number=self.number, threshold=self.threshold,
        )  # fmt: skip
        weights = scene.means(step)
        if not weights.any():
            warnings.warn(
                f"no pixel reaches the threshold {self.threshold:g}: there is nothing to explain, "
                "the map is 0 throughout; try a lower --threshold",
                GeounetWarning,
                stacklevel=5,
            )
        return weights


def _number(options: ExplainOptions, classes: tuple[str, ...]) -> int | None:
    """Which class Grad-CAM explains; None when an activation is asked for."""
    if options.channel is not None:
        if options.of_class is not None:
            raise OptionError("an activation belongs to no class; leave --class or --channel out")
        return None
    if options.of_class is None:
        return 0
    if options.of_class not in classes:
        raise OptionError(f"no class {options.of_class!r}; the model has {', '.join(classes)}")
    return classes.index(options.of_class)
