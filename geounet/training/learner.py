"""What learns: a network, its running average, its optimiser and schedule, as one state."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from geounet.errors import TrainingError
from geounet.networks.registry import build
from geounet.training.batch import Batch
from geounet.training.losses import make_loss
from geounet.training.schedules import make_optimiser, make_schedule
from geounet.training.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning.fabric import Fabric

    from geounet.model import Segmenter
    from geounet.training.recipe import Recipe


class Learner:
    """Takes batches, one a step; everything that a step changes is in its state."""

    def __init__(
        self,
        recipe: Recipe,
        start: Segmenter | None,
        trainer: Fabric,
        lengths: tuple[int, int],
    ) -> None:
        """Draw the weights, or take those of a model.

        Args:
            recipe: what to build and how to train it.
            start: model whose weights are the start.
            trainer: device, precision and processes.
            lengths: steps in all, and of an epoch.

        Raises:
            TrainingError: when the start is of another network, or is missing where a share of it
                is wanted.
        """
        if recipe.start_share and start is None:
            raise TrainingError(
                f"recipe: start_share is {recipe.start_share:g}, but training starts at random; "
                "name a model with --from, or leave it out"
            )
        self.recipe, self.trainer = recipe, trainer
        self.network = _network(recipe, start)
        self.network.to(memory_format=torch.channels_last)
        self.optimiser = make_optimiser(recipe, self.network.parameters())
        self.schedule = make_schedule(recipe, self.optimiser, *lengths)
        self._module, self._optimiser = trainer.setup(self.network, self.optimiser)
        self.average = deepcopy(self.network).eval() if recipe.average else None
        self._start = deepcopy(self.network).eval() if recipe.start_share else None
        self._loss = make_loss(recipe)
        shown = Shown.of(recipe).card
        self._mean, self._std = (
            torch.tensor(shown[name], device=trainer.device).view(1, -1, 1, 1)
            for name in ("mean", "std")
        )
        self._total, self._count = torch.zeros((), device=trainer.device), 0
        self.steps = 0

    @property
    def best_weights(self) -> nn.Module:
        """The average, or the network itself where there is none, with its share of the start."""
        found = self.network if self.average is None else self.average
        if self._start is None:
            return found
        mixed = deepcopy(found)
        _approach(mixed, self._start, self.recipe.start_share)
        return mixed

    @property
    def rate(self) -> float:
        """The rate of the next step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def step(self, batch: Batch) -> None:
        """Take one step of the optimiser, of the schedule and of the average."""
        self.network.train()
        if self.recipe.frozen_statistics:
            _freeze_statistics(self.network)
        images, masks, valid = self._mine(batch)
        pixels = (images / 255 - self._mean) / self._std * valid  # 0 is the card's mean
        outputs = self._module(pixels.contiguous(memory_format=torch.channels_last))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)  # deep supervision
        loss = torch.stack([self._loss(each, masks, valid) for each in outputs]).mean()
        self.optimiser.zero_grad(set_to_none=True)
        self.trainer.backward(loss)
        if self.recipe.clip:
            self.trainer.clip_gradients(
                self._module, self._optimiser, max_norm=self.recipe.clip, error_if_nonfinite=False
            )
        self._optimiser.step()
        if not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()
        self._total, self._count = self._total + loss.detach(), self._count + 1
        self.steps += 1
        self._update_average()

    def loss(self) -> float:
        """Return the mean loss since it was last forgotten.

        Raises:
            TrainingError: when it is not finite.
        """
        mean = float(self._total) / max(self._count, 1)
        if not math.isfinite(mean):
            raise TrainingError("the loss is no longer finite; try a smaller learning rate")
        return mean

    def forget_loss(self) -> None:
        """Begin a new mean."""
        self._total, self._count = torch.zeros_like(self._total), 0

    def validated(self, loss: float) -> None:
        """Let the schedule know the validation loss."""
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(loss)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the state: tensors on the CPU by name, and what JSON can hold."""
        optimiser = self.optimiser.state_dict()
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        if self.average is not None:
            average = self.average.state_dict()
            tensors |= {f"average.{name}": value for name, value in average.items()}
        for number, values in optimiser["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
        tensors["chance.cpu"] = torch.get_rng_state()
        if self.trainer.device.type == "cuda":
            tensors["chance.cuda"] = torch.cuda.get_rng_state(self.trainer.device)
        facts = {
            "step": self.steps,
            "groups": optimiser["param_groups"],
            "schedule": self.schedule.state_dict(),
            "scaler": self.trainer.strategy.precision.state_dict(),
            "loss": [float(self._total), self._count],
        }
        return {name: value.cpu().contiguous() for name, value in tensors.items()}, facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take over a state; the next step is the one that would have come."""
        self.network.load_state_dict(_under("network.", tensors))
        if self.average is not None:
            self.average.load_state_dict(_under("average.", tensors))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimiser.", tensors).items():
            number, _, entry = name.partition(".")
            states.setdefault(int(number), {})[entry] = value
        groups = [{**group, "betas": tuple(group["betas"])} for group in facts["groups"]]
        self.optimiser.load_state_dict({"state": states, "param_groups": groups})
        self.schedule.load_state_dict(facts["schedule"])
        self.trainer.strategy.precision.load_state_dict(facts["scaler"])
        torch.set_rng_state(tensors["chance.cpu"])
        if "chance.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["chance.cuda"], self.trainer.device)
        self.steps, (total, self._count) = facts["step"], facts["loss"]
        self._total = torch.full_like(self._total, total)

    def _mine(self, batch: Batch) -> Batch:
        """The part of a batch that is this process's, on its device."""
        every, first = self.trainer.world_size, self.trainer.global_rank
        if len(batch.images) >= every:  # else each takes all of it
            batch = Batch(*(maps[first::every] for maps in batch))
        return Batch(*map(self.trainer.to_device, batch))

    def _update_average(self) -> None:
        if self.average is None:
            return
        decay = min(self.recipe.average, (1 + self.steps) / (10 + self.steps))
        _approach(self.average, self.network, 1 - decay)


def _approach(network: nn.Module, other: nn.Module, share: float) -> None:
    """Take a share of another's weights into a network; what is counted is the other's."""
    theirs = other.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(theirs[name], share)
        else:
            value.copy_(theirs[name])


def _network(recipe: Recipe, start: Segmenter | None) -> nn.Module:
    network = build(recipe.network, recipe.built)
    if start is not None:
        try:
            network.load_state_dict(start.network.state_dict())
        except RuntimeError as error:
            raise TrainingError(
                f"model {start.card.name} is not of the recipe's network ({recipe.network}, "
                f"{dict(recipe.built)}) that finds {', '.join(recipe.names)}; start from one that "
                "is, or afresh with --recipe"
            ) from error
    return network


def _freeze_statistics(network: nn.Module) -> None:
    """Have batch normalisation use the statistics it came with, and leave them."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
