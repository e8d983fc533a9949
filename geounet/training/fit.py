"""The training loop: chips in, a segmenter out."""

from __future__ import annotations

import csv
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from geounet.backends.torch import best_device, keep_large_buffers
from geounet.errors import TrainingError
from geounet.model import ModelCard, Segmenter, save_model
from geounet.networks.field import receptive_field
from geounet.networks.memory import bytes_per_pixel
from geounet.networks.registry import build, total_stride
from geounet.training.losses import overlap_loss
from geounet.training.sampler import make_sampler
from geounet.training.score import score_sheets
from geounet.training.sheet import held
from geounet.training.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from geounet.training.batch import Batch, Sampler
    from geounet.training.recipes import Recipe
    from geounet.training.sheet import Labelled

log = logging.getLogger(__name__)

LOG_EVERY = 50


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How one training run goes, beside its recipe."""

    name: str = "model"
    """Name on the card."""
    start: Segmenter | None = None
    """Model whose weights are the start; None draws fresh ones."""
    seed: int = 0
    """Seed of weights and chips."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    threads: int | None = None
    """Threads of torch on a CPU, None for all cores."""
    validate_every: int = 1000
    """Steps between two looks at the validation sheets, each with a checkpoint."""
    provenance: Any = None
    """What the card says under `training`, beside recipe, seed and steps."""


def fit(
    sheets: Sequence[Labelled],
    recipe: Recipe,
    out: Path,
    options: FitOptions,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Segmenter:
    """Train a network and write it to a file, again at each validation.

    Args:
        sheets: of the splits train and validation.
        recipe: network and schedule.
        out: `.safetensors` to write; a `.csv` beside it logs losses and scores.
        options: seed, device, name.
        progress: called with steps done, steps in total, and the loss as text.

    Raises:
        TrainingError: when there is nothing to train on, or the loss is no longer finite.
    """
    train = [sheet for sheet in sheets if sheet.split == "train"]
    if not train:
        raise TrainingError("the dataset has no sheet of split 'train'")
    keep_large_buffers()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    run = _Run(recipe, options, make_sampler(train, Shown.of(recipe), options.seed))
    validation = held(sheets, "validation")
    with ThreadPoolExecutor(1) as loader, out.with_suffix(".csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "seconds", "loss", "place", "iou"])
        pending = loader.submit(run.sampler.batch, 0)
        for step in range(1, recipe.steps + 1):
            batch = pending.result()
            pending = loader.submit(run.sampler.batch, step)
            run.step(batch)
            if step % LOG_EVERY == 0:
                rows.writerow([step, round(run.seconds), f"{run.loss():.4f}", "", ""])
                file.flush()
                progress(step, recipe.steps, f"loss {run.loss():.3f}")
            if step % options.validate_every == 0 or step == recipe.steps:
                segmenter = run.segmenter(step)
                save_model(out, segmenter)
                for place, iou in score_sheets(segmenter, validation).items():
                    rows.writerow([step, round(run.seconds), "", place, f"{iou:.4f}"])
                    log.info("step %d: %s IoU %.3f", step, place, iou)
    return run.segmenter(recipe.steps)


def _network(recipe: Recipe, start: Segmenter | None) -> nn.Module:
    network = build(recipe.network, recipe.network_options)
    if start is not None:
        try:
            network.load_state_dict(start.network.state_dict())
        except RuntimeError as error:
            raise TrainingError(
                f"model {start.card.name} is not of the recipe's network ({recipe.network}, "
                f"{dict(recipe.network_options)}); start from one that is"
            ) from error
    return network


def freeze_statistics(network: nn.Module) -> None:
    """Have batch normalisation use the statistics it came with, and leave them; after `train()`."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


class _Run:
    """The state of a run: network, its running average, optimiser, schedule."""

    def __init__(self, recipe: Recipe, options: FitOptions, sampler: Sampler) -> None:
        self.recipe, self.options, self.sampler = recipe, options, sampler
        self.device = torch.device(best_device(options.device))
        self.network = _network(recipe, options.start)
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.frozen_statistics:
            freeze_statistics(self.network)
        self.average = deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1
        )
        self.input = Shown.of(recipe).card
        self.mean = torch.tensor(self.input["mean"], device=self.device).view(1, -1, 1, 1)
        self.std = torch.tensor(self.input["std"], device=self.device).view(1, -1, 1, 1)
        self.started = time.monotonic()
        self.losses: list[Tensor] = []
        self.steps = 0

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def loss(self) -> float:
        """Mean loss of the last steps; refuses to go on with one that is not finite."""
        mean = float(torch.stack(self.losses).mean())
        if mean != mean:  # noqa: PLR0124
            raise TrainingError("the loss is no longer finite; try a smaller learning rate")
        return mean

    def step(self, batch: Batch) -> None:
        """One step of the optimiser and of the average."""
        images = batch.images.to(self.device, memory_format=torch.channels_last)
        masks, valid = batch.masks.to(self.device), batch.valid.to(self.device)
        pixels = (images / 255 - self.mean) / self.std * valid  # 0 is the card's mean
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.network(pixels)
        loss = overlap_loss(logits.float(), masks, valid, self.recipe.edge_weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.losses = [*self.losses[1 - LOG_EVERY :], loss.detach()]
        self.steps += 1
        self._update_average()

    def _update_average(self) -> None:
        decay = min(self.recipe.average, (1 + self.steps) / (10 + self.steps))
        new = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - decay)
            else:
                value.copy_(new[name])

    def segmenter(self, step: int) -> Segmenter:
        """Return the averaged network under a card."""
        network = deepcopy(self.average).cpu().to(memory_format=torch.contiguous_format).eval()
        recipe = asdict(self.recipe)
        card = ModelCard(
            name=self.options.name,
            network=self.recipe.network,
            network_options=self.recipe.network_options,
            **self.input,
            gsd=self.recipe.gsd,
            min_area_m2=self.recipe.min_area_m2,
            stride=total_stride(network),
            receptive_field=receptive_field(network, len(self.input["mean"])),
            bytes_per_pixel=bytes_per_pixel(network, len(self.input["mean"])),
            training={
                **(self.options.provenance or {}),
                "recipe": recipe,
                "seed": self.options.seed,
                "step": step,
            },
        )
        return Segmenter(card, network)
