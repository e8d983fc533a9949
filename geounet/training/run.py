"""One training run: when it logs, looks at the validation sheets, saves its state, and stops."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, Self

import torch

from geounet.errors import TrainingError
from geounet.model import Segmenter, load_model, save_model
from geounet.outputs import make_folder, staged
from geounet.training.losses import make_loss
from geounet.training.record import Record
from geounet.training.score import Look, look

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from geounet.training.batch import Batch
    from geounet.training.cards import CardMaker
    from geounet.training.fit import FitOptions
    from geounet.training.learner import Learner
    from geounet.training.lengths import Lengths
    from geounet.training.sheet import Sheet
    from geounet.training.state import StateFolder

log = logging.getLogger(__name__)

LOG_EVERY = 50
NOT_MAIN = Look(math.nan, {})
"""What a process says that did not look."""


class Run:
    """A learner, its record and its state on disk; leave the `with` block to close the record."""

    def __init__(
        self,
        learner: Learner,
        validation: Sequence[Sheet],
        options: FitOptions,
        lengths: Lengths,
        folder: StateFolder,
        cards: CardMaker,
    ) -> None:
        """Write nothing yet."""
        self.learner, self.lengths, self.note = learner, lengths, ""
        self._validation, self._options, self._folder = validation, options, folder
        self._recipe, self._cards = learner.recipe, cards
        self._main = learner.trainer.is_global_zero
        self._loss = make_loss(self._recipe)
        self._record: Record | None = None
        self._identity: Mapping[str, Any] = {}
        self._best, self._worse = math.inf, 0
        self._started = self._saved = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether all steps are taken, or the loss has long not become smaller."""
        stopped = 0 < self._recipe.patience <= self._worse
        return stopped or self.learner.steps >= self.lengths.total

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Begin a state, or go on with the one there is."""
        self._identity, position = identity, 0
        if self._folder.begun:
            tensors, facts = self._folder.load(identity)
            self.learner.restore(tensors, facts)
            self._best, self._worse = facts["best"], facts["worse"]
            self._started -= facts["seconds"]
            position = facts["position"]
            log.info("going on from step %d", self.learner.steps)
        if self._main:
            make_folder(self._folder.path)
            self._record = Record(self._folder.record, position)
            self._save()

    def step(self, batch: Batch) -> None:
        """Take one step, and what is due after it."""
        self.learner.step(batch)
        steps = self.learner.steps
        look_now = steps % self.lengths.validate_every == 0 or steps == self.lengths.total
        if look_now or steps % LOG_EVERY == 0:
            self._log()
        if look_now and self._validation:
            self._validate()
        if time.monotonic() - self._saved >= self._options.state_every_s or self.done:
            self._save()

    def end(self) -> Segmenter:
        """Return the model the recipe keeps; processes beside the first one end here."""
        if self.learner.trainer.world_size > 1:
            self.learner.trainer.barrier()
            torch.distributed.destroy_process_group()
        if not self._main:
            raise SystemExit(0)
        last = self._segmenter()
        if self._recipe.keep == "last":
            return last
        self._write(self._folder.last, last)
        return load_model(self._folder.best)

    def __enter__(self) -> Self:
        """Return the run."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the record."""
        if self._record is not None:
            self._record.__exit__()

    def _log(self) -> None:
        loss = self.learner.loss()
        self.note = f"loss {loss:.3f}"
        self._add(rate=f"{self.learner.rate:.3g}", loss=f"{loss:.4f}")
        self.learner.forget_loss()

    def _validate(self) -> None:
        """Look at the validation sheets; keep what is best."""
        found = self.learner.trainer.broadcast(self._look() if self._main else NOT_MAIN)
        if not math.isfinite(found.loss):
            raise TrainingError("the validation loss is not finite; try a smaller learning rate")
        self.learner.validated(found.loss)
        self._add(validation_loss=f"{found.loss:.4f}")
        for place, each in found.iou.items():
            self._add_iou(place, each)
        self._worse += 1
        if found.loss < self._best:
            self._best, self._worse = found.loss, 0
            if self._main and self._recipe.keep == "best":
                self._write(self._folder.best, self._segmenter())

    def _add_iou(self, place: str, each: Sequence[float]) -> None:
        """Note the mean over classes, and of several each by itself."""
        mean, names = sum(each) / len(each), self._recipe.names
        self._add(place=place, iou=f"{mean:.4f}")
        told = ""
        if len(names) > 1:
            for name, iou in zip(names, each, strict=True):
                self._add(place=place, **{"class": name}, iou=f"{iou:.4f}")
                told += f", {name} {iou:.3f}"
        log.info("step %d: %s IoU %.3f%s", self.learner.steps, place, mean, told)

    def _look(self) -> Look:
        shown = Segmenter(self._cards.card, self.learner.best_weights.eval())
        return look(shown, self._validation, self._loss)

    def _segmenter(self) -> Segmenter:
        return self._cards.segmenter(self.learner.best_weights, self.learner.steps)

    def _add(self, **values: str) -> None:
        if self._record is not None:
            steps, seconds = self.learner.steps, round(time.monotonic() - self._started)
            epoch = f"{steps / self.lengths.epoch:.2f}" if self._recipe.epochs else ""
            self._record.add(step=steps, epoch=epoch, seconds=seconds, **values)

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self._record is None:
            return
        self.learner.loss()  # never a state that is lost
        tensors, facts = self.learner.state()
        facts |= {
            "identity": self._identity,
            "position": self._record.position,
            "seconds": time.monotonic() - self._started,
            "best": self._best,
            "worse": self._worse,
        }
        self._folder.save(tensors, facts)

    def _write(self, path: Path, segmenter: Segmenter) -> None:
        with staged(path) as temporary:
            save_model(temporary, segmenter)
