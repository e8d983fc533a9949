"""The training loop: batches in, a segmenter out, exactly the same after an interruption."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from geounet.backends.torch import keep_large_buffers
from geounet.errors import TrainingError
from geounet.training.cards import CardMaker
from geounet.training.classes import check_known
from geounet.training.identity import identity
from geounet.training.learner import Learner
from geounet.training.lengths import Lengths
from geounet.training.loader import Loader
from geounet.training.run import Run
from geounet.training.sampler import make_sampler
from geounet.training.sheet import Sheet, held
from geounet.training.shown import Shown
from geounet.training.state import StateFolder
from geounet.training.trainer import open_trainer, training_precision
from geounet.training.whole import as_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from geounet.model import Segmenter
    from geounet.training.recipe import Recipe
    from geounet.training.sheet import Labelled


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
    """auto, cpu, mps, cuda or cuda:N."""
    precision: str = "auto"
    """fp32, bf16 or fp16; auto takes 16 bits where that is faster."""
    processes: int = 1
    """Processes that share each batch, one a GPU."""
    threads: int | None = None
    """Threads of torch on a CPU, None for all cores."""
    validate_every: int | None = None
    """Steps between two looks at the validation sheets; None: an epoch, or a tenth of
    the steps, 1,000 at most."""
    resume: bool = False
    """Go on from the state beside the output; the result is that of one uninterrupted run."""
    state_every_s: float = 60.0
    """Seconds between two states on disk."""
    provenance: Any = None
    """What the card says under `training`, beside recipe, seed and steps."""


def fit(
    sheets: Sequence[Labelled],
    recipe: Recipe,
    out: Path,
    options: FitOptions,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Segmenter:
    """Train a network; everything written stands in `OUT.state/`, which the caller discards.

    Args:
        sheets: of the splits train and validation.
        recipe: network and schedule.
        out: file that the model is going to be.
        options: seed, device, name.
        progress: called with steps done, steps in total, and the loss as text.

    Raises:
        TrainingError: when there is nothing to train on, or the loss is no longer finite.
        OptionError: when there is a state and `resume` was not asked for, or one of another run.
    """
    train = [sheet for sheet in sheets if sheet.split == "train"]
    validation = as_shown(held(sheets, "validation"), Shown.of(recipe))
    _check(recipe, train, validation)
    folder = StateFolder(out)
    folder.check(resume=options.resume)
    keep_large_buffers()
    if options.threads:
        torch.set_num_threads(options.threads)
    options = replace(options, precision=training_precision(options.precision, options.device))
    sampler = make_sampler(train, Shown.of(recipe), options.seed)
    lengths = Lengths.of(recipe, sampler.steps_per_epoch, options.validate_every)
    trainer = open_trainer(options.device, options.precision, options.processes)
    torch.manual_seed(options.seed)
    learner = Learner(recipe, options.start, trainer, (lengths.total, lengths.epoch))
    cards = CardMaker(recipe, options, learner.network)
    with Run(learner, validation, options, lengths, folder, cards) as run:
        run.begin(identity(sheets, recipe, options, lengths))
        with Loader(sampler, learner.steps, lengths.total) as batches:
            while not run.done:
                run.step(batches.take())
                progress(learner.steps, lengths.total, run.note)
        return run.end()


def _check(recipe: Recipe, train: Sequence[Labelled], validation: Sequence[Labelled]) -> None:
    if not train:
        raise TrainingError("the dataset has no sheet of split 'train'")
    for sheet in (*train, *validation):
        if isinstance(sheet, Sheet) and len(sheet.image) != recipe.bands:
            raise TrainingError(
                f"{sheet.name}: the images have {len(sheet.image)} bands, the recipe's network "
                f"{recipe.network} takes {recipe.bands}"
            )
    check_known("class_weights", recipe.class_weights, recipe.names)
    if recipe.needs_validation and not validation:
        raise TrainingError(
            "the recipe keeps or stops by the validation loss, but the dataset has no sheet of "
            "split 'validation'; add some, or set keep = 'last', patience = 0 and another schedule"
        )
