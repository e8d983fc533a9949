"""Draw what a model's page shows: how far its probability can be believed, and examples by place.

    python benchmarks/card.py DATA --model buildings -o docs/images

Writes NAME-reliability.png and NAME-examples.jpg, and prints one JSON line a place: the expected
calibration error of its test images, on their own grid. Examples are squares of test images, by
their IoU: a good one, the median, a bad one; none is chosen by hand.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from geounet.evaluation.calibration import Reliability, reliability
from geounet.evaluation.pixels import iou
from geounet.model import load_model
from geounet.training.dataset import load_sheets, read_manifest
from geounet.training.score import probability

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from geounet.training.sheet import Sheet

SQUARE_M = 38.4
"""Edge of an example: what 128 pixels of 0.3 m show."""
SHARES = {"good": 0.9, "typical": 0.5, "bad": 0.1}
"""Which of a place's squares are shown, by the rank of their IoU."""
LEAST = 0.05
"""Share of a square that is building, or it tells little."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
TRUTH, FOUND = "#00e5ff", "#ff3b30"


class Example(NamedTuple):
    """A square of an image."""

    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]
    iou: float


def main() -> None:
    """Draw and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--manifest", type=Path, default=Path("docs/models/buildings.toml"))
    parser.add_argument("--model", default="buildings")
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    segmenter = load_model(options.model)
    listing = read_manifest(options.manifest)
    listing.tables[:] = [table for table in listing.tables if table["split"] == "test"]
    sure: dict[str, list[Reliability]] = defaultdict(list)
    examples: dict[str, list[Example]] = defaultdict(list)
    for sheet in load_sheets(options.data, listing):
        p = probability(segmenter, sheet)[0]
        sure[sheet.place].append(reliability([(p[sheet.valid], sheet.mask[sheet.valid] > 0)]))
        examples[sheet.place] += squares(sheet, p >= segmenter.card.threshold)
    places = {place: Reliability.together(parts) for place, parts in sure.items()}
    places["all pixels"] = Reliability.together(list(places.values()))
    for place, one in places.items():
        told = {"place": place, "calibration_error": round(one.error, 4)}
        print(json.dumps(told | {"pixels": int(one.pixels.sum())}))
    name = segmenter.card.name
    draw_reliability(places, segmenter.card.threshold, options.out / f"{name}-reliability.png")
    draw_examples(examples, options.out / f"{name}-examples.jpg")


def squares(sheet: Sheet, found: NDArray[np.bool_]) -> Iterator[Example]:
    """Cut an image into squares that show buildings."""
    edge = min(round(SQUARE_M / sheet.gsd), *sheet.shape)
    for row in range(0, sheet.shape[0] - edge + 1, edge):
        for col in range(0, sheet.shape[1] - edge + 1, edge):
            at = slice(row, row + edge), slice(col, col + edge)
            truth = sheet.mask[at] > 0
            if truth.mean() >= LEAST:
                image = np.moveaxis(sheet.image[:, *at], 0, 2)
                yield Example(image, truth, found[at], iou([(found[at], truth)]))


def draw_reliability(places: dict[str, Reliability], threshold: float, path: Path) -> None:
    """Draw for each place what share of its pixels is building, over what they were given."""
    figure = Figure(figsize=(6.4, 6.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot((0, 1), (0, 1), color="#999999", linewidth=1, linestyle="--")
    *each, (_, together) = places.items()
    for (place, one), colour in zip(each, COLOURS, strict=False):
        _line(above, one, f"{place}, off by {one.error:.3f}", colour, 1.5)
    _line(above, together, f"together, off by {together.error:.3f}", "black", 2.5)
    for axes in (above, below):
        axes.axvline(threshold, color="#bbbbbb", linewidth=1)
        axes.grid(alpha=0.3)
    above.set(ylabel="share that is building", ylim=(0, 1), xlim=(0, 1))
    above.legend(frameon=False)
    bins = len(together.pixels)
    middles = (np.arange(bins) + 0.5) / bins
    below.bar(middles, together.pixels / together.pixels.sum(), 1 / bins, color="#888888")
    below.set(xlabel="probability given (grey line: the threshold)", ylabel="pixels", yscale="log")
    below.yaxis.set_minor_formatter(NullFormatter())
    figure.savefig(path, dpi=110)


def _line(axes: Axes, one: Reliability, label: str, colour: str, width: float) -> None:
    some = one.pixels >= max(one.pixels.sum() / 2000, 1)
    given, true = (values[some] / one.pixels[some] for values in (one.given, one.true))
    axes.plot(given, true, marker="o", markersize=4, label=label, color=colour, linewidth=width)


def draw_examples(examples: dict[str, list[Example]], path: Path) -> None:
    """Draw a good, the typical and a bad square of each place."""
    figure = Figure(figsize=(3 * len(SHARES), 3.15 * len(examples)), layout="constrained")
    rows = figure.subplots(len(examples), len(SHARES), squeeze=False)
    for (place, known), row in zip(examples.items(), rows, strict=True):
        for (word, share), axes in zip(SHARES.items(), row, strict=True):
            _show(axes, _ranked(known, share), f"{place}, {word}")
    figure.suptitle("blue: truth, red: found", fontsize=10)
    figure.savefig(path, dpi=72, pil_kwargs={"quality": 82})


def _ranked(known: Sequence[Example], share: float) -> Example:
    ordered = sorted(known, key=lambda one: one.iou)
    return ordered[round(share * (len(ordered) - 1))]


def _show(axes: Axes, one: Example, title: str) -> None:
    axes.imshow(one.image, interpolation="antialiased")
    for mask, colour in ((one.truth, TRUTH), (one.found, FOUND)):
        if mask.any() and not mask.all():
            axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1.2)
    axes.set_title(f"{title} · IoU {one.iou:.2f}", fontsize=9)
    axes.set_axis_off()


if __name__ == "__main__":
    main()
