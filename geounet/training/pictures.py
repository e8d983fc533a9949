"""What there is to look at after a training: its curve, and examples of what was learnt."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from geounet.contact import EDGE, overlaid, spread, write_rows
from geounet.errors import OptionError
from geounet.evaluation.pixels import summed
from geounet.outputs import staged
from geounet.training.score import chosen, class_iou, compared
from geounet.training.sheet import whitened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from geounet.training.score import Floats, Scored
    from geounet.training.sheet import Sheet

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#777777")
_GREY = "#a0a0a0"
_WIDE, _HIGH, _DPI = 8.0, 6.4, 110


def write_curve(path: Path, record: Path, name: str) -> None:
    """Write losses, rate and scores over the steps as a PNG.

    Args:
        path: of the picture.
        record: the CSV file of the training.
        name: of the model.

    Raises:
        OptionError: when matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - a second, and only this needs it
    except ImportError as error:
        raise OptionError("training needs matplotlib; run: pip install 'geounet[train]'") from error
    with record.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(_WIDE, _HIGH), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _line(above, rows, "loss", "training loss", _COLOURS[0])
    _line(above, rows, "validation_loss", "validation loss", _COLOURS[1])
    rate = above.twinx()
    _line(rate, rows, "rate", "rate", _GREY)
    above.set(title=name, ylabel="loss")
    rate.set_ylim(0)
    rate.set_ylabel("learning rate", color=_GREY)
    rate.tick_params(colors=_GREY)
    above.set_zorder(rate.get_zorder() + 1)
    above.patch.set_visible(False)
    lines = dict.fromkeys((row["place"], row["class"]) for row in rows if row["place"])
    for at, (place, of) in enumerate(lines):
        here = [row for row in rows if (row["place"], row["class"]) == (place, of)]
        label, colour = f"{place}: {of}" if of else place, _COLOURS[at % len(_COLOURS)]
        _line(below, here, "iou", label, colour)
    below.set(xlabel="step", ylabel="validation IoU", ylim=(0, 1))
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False) if axes.lines else None
    with staged(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)


def write_examples(path: Path, scored: Scored, threshold: float) -> list[str]:
    """Write image, truth and prediction of some sheets as a PNG, the best first.

    Returns:
        The names of the sheets shown, from top to bottom.
    """
    shown = spread(sorted(scored, key=lambda one: -_mean_iou(one[0], one[1], threshold)))
    write_rows(path, [_parts(sheet, chosen(p, threshold)) for sheet, p in shown])
    return [sheet.name for sheet, _ in shown]


def _mean_iou(sheet: Sheet, p: Floats, threshold: float) -> float:
    matrix = summed([compared(chosen(p, threshold), sheet)])
    return float(np.mean(class_iou(matrix, len(p))))


def _parts(sheet: Sheet, found: NDArray[np.uint8]) -> Sequence[NDArray[np.uint8]]:
    """Image, truth on it, prediction on it; each class has the colour of its number."""
    rows, cols = (_picked(extent, max(sheet.mask.shape)) for extent in sheet.mask.shape)
    bands = sheet.image if len(sheet.image) >= 3 else sheet.image[:1].repeat(3, 0)  # noqa: PLR2004
    picked = np.moveaxis(bands[:3], 0, 2)[rows][:, cols]
    image = np.rint(whitened(picked, sheet.span)).clip(0, 255).astype(np.uint8)
    truth, seen = (mask[rows][:, cols].astype(np.uint8) for mask in (sheet.mask, found))
    return image, overlaid(image, truth), overlaid(image, seen)


def _picked(extent: int, longest: int) -> NDArray[np.intp]:
    """Rows or columns of a picture no larger than a sheet shows."""
    count = max(round(extent * min(EDGE / longest, 1)), 1)
    return ((np.arange(count) + 0.5) * extent / count).astype(np.intp)


def _line(axes: Axes, rows: Sequence[dict[str, str]], column: str, label: str, colour: str) -> None:
    points = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
    if points:
        marker = "o" if len(points) == 1 else ""
        axes.plot(*zip(*points, strict=True), label=label, color=colour, marker=marker)
