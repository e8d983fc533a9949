"""From a fitted network to a model file: threshold, figures, golden tile."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from geounet.backends.golden import golden_output
from geounet.backends.torch import TorchStep, best_device
from geounet.halo import is_affordable
from geounet.model import Segmenter, save_model
from geounet.outputs import staged
from geounet.seams import measure_seams
from geounet.training.calibrate import temperature, tempered
from geounet.training.chips import sized
from geounet.training.fit import FitOptions, fit
from geounet.training.pictures import write_curve, write_examples
from geounet.training.score import figures, probability
from geounet.training.sheet import SPLITS, held, whitened
from geounet.training.shown import Shown
from geounet.training.state import StateFolder
from geounet.training.threshold import best_threshold
from geounet.training.whole import as_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.training.recipe import Recipe
    from geounet.training.score import Scored
    from geounet.training.sheet import Labelled, Sheet

BESIDE = (".csv", ".curve.png", ".examples.png", ".last.safetensors")
"""What may appear beside a model, by suffix."""

GOLDEN_CHIP = 256
SEAM_EDGE, SEAM_IMAGES = 512, 4
"""Seams are measured on the corner of so many sheets of different places."""


def train(
    sheets: Sequence[Labelled],
    recipe: Recipe,
    out: Path,
    options: FitOptions,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Segmenter:
    """Fit a network, calibrate it on the validation sheets, score it on the test sheets, write it.

    Beside the model appear its record (`.csv`), its curve and examples (`.curve.png`,
    `.examples.png`), and the last weights (`.last.safetensors`) where the best are kept.

    Args:
        sheets: of all splits.
        recipe: network and schedule.
        out: `.safetensors` to write.
        options: seed, device, name.
        progress: called with steps done, steps in total, and the loss as text.

    Raises:
        TrainingError: when there is nothing to train on, or training fails.
        OptionError: when a package is missing, or the state beside `out` is of another run.
    """
    segmenter = fit(sheets, recipe, out, options, progress)
    segmenter.network.to(best_device(options.device))
    segmenter, shown = finish(segmenter, sheets, recipe)
    segmenter.network.cpu()
    segmenter = with_seams(segmenter, sheets)
    folder = StateFolder(out)
    write_curve(out.with_suffix(".curve.png"), folder.record, segmenter.card.name)
    if shown:
        write_examples(out.with_suffix(".examples.png"), shown, segmenter.card.threshold)
    copies = [(folder.record, ".csv"), (folder.last, ".last.safetensors")]
    for source, suffix in copies[: 1 + folder.last.exists()]:
        with staged(out.with_suffix(suffix)) as path:
            shutil.copyfile(source, path)
    with staged(out) as path:
        save_model(path, segmenter, golden_tile(segmenter, sheets))
    folder.discard()
    return segmenter


def finish(
    segmenter: Segmenter, sheets: Sequence[Labelled], recipe: Recipe
) -> tuple[Segmenter, Scored]:
    """Return the segmenter, calibrated, with threshold and figures, and what to show of it."""
    if recipe.calibrate and len(recipe.names) == 1 and not recipe.exclusive:
        segmenter = _calibrated(segmenter, _scored(segmenter, sheets, "validation", recipe))
    seen = {split: _scored(segmenter, sheets, split, recipe) for split in ("validation", "test")}
    threshold = recipe.threshold or segmenter.card.threshold
    if recipe.threshold is None and seen["validation"]:
        threshold = best_threshold(seen["validation"])
    places = dict.fromkeys(sheet.place for sheet, _ in seen["test"])
    metrics = {
        place: figures(
            [one for one in seen["test"] if one[0].place == place],
            threshold,
            recipe.metrics,
            recipe.names,
        )
        for place in places
    }
    done = segmenter.with_card(threshold=threshold, metrics=metrics)
    return done, seen["validation"] or seen["test"]


def with_seams(segmenter: Segmenter, sheets: Sequence[Labelled]) -> Segmenter:
    """Return the segmenter with what a halo is worth, where none that is to be had is exact."""
    if is_affordable(segmenter.card.receptive_field):
        return segmenter
    places = {sheet.place: sheet for sheet in sheets}
    corners = [
        whitened(sheet.crop(slice(SEAM_EDGE), slice(SEAM_EDGE)).image, sheet.span)
        for sheet in places.values()
    ]
    step = TorchStep(segmenter, device="cpu", precision="fp32")
    return segmenter.with_card(seams=measure_seams(step, corners[:SEAM_IMAGES]))


def golden_tile(
    segmenter: Segmenter, sheets: Sequence[Labelled]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a mosaic of four chips, of different places if it can be, and its expected output.

    Returns:
        Raw pixels `(bands, 512, 512)` at the model's ground sample distance, and their quantised
        output `(classes, 512, 512)`.
    """
    known = held(sheets, "validation") or held(sheets, *SPLITS)
    firsts = list({sheet.place: sheet for sheet in reversed(known)}.values())
    chips = [golden_chip(firsts[at % len(firsts)], segmenter.card.gsd) for at in range(4)]
    pixels = np.concatenate([np.concatenate(chips[at : at + 2], axis=2) for at in (0, 2)], axis=1)
    return pixels, golden_output(segmenter, pixels)


def golden_chip(sheet: Sheet, gsd: float) -> NDArray[np.uint8]:
    """Return the chip `(bands, 256, 256)` of a sheet that is most nearly half labelled."""
    scale = sheet.gsd / gsd
    size = (max(round(sheet.mask.shape[0] * scale), 1), max(round(sheet.mask.shape[1] * scale), 1))
    pixels, truth, _ = sized(sheet.image, sheet.mask, sheet.valid, size)
    short = [(0, max(GOLDEN_CHIP - extent, 0)) for extent in size]
    seen = whitened(pixels, sheet.span).round().clamp(0, 255).byte()
    image = np.pad(seen.numpy(), ((0, 0), *short), mode="symmetric")
    mask = np.pad(truth[0].clamp(max=1).numpy(), short, mode="symmetric")
    corners = [
        (row, col)
        for row in range(0, mask.shape[0] - GOLDEN_CHIP + 1, GOLDEN_CHIP // 2)
        for col in range(0, mask.shape[1] - GOLDEN_CHIP + 1, GOLDEN_CHIP // 2)
    ]
    shares = [mask[row:, col:][:GOLDEN_CHIP, :GOLDEN_CHIP].mean() for row, col in corners]
    row, col = corners[int(np.argmin(np.abs(np.array(shares) - 0.5)))]
    return image[:, row : row + GOLDEN_CHIP, col : col + GOLDEN_CHIP]


def _calibrated(segmenter: Segmenter, scored: Scored) -> Segmenter:
    by = temperature(scored)
    training = {**segmenter.card.training, "temperature": by}
    return tempered(segmenter, by).with_card(training=training)


def _scored(segmenter: Segmenter, sheets: Sequence[Labelled], split: str, recipe: Recipe) -> Scored:
    shown = as_shown(held(sheets, split), Shown.of(recipe))
    return [(sheet, probability(segmenter, sheet)) for sheet in shown]
