"""How well nuclei are found on the 132 images of the published list, as the source measured it.

    python benchmarks/nuclei.py DATA/nuclei --model nuclei-small

Images are resized to 256 × 256 (Lanczos), masks by nearest neighbour; IoU and F1 are of the
foreground, means over images; `image_mean_iou` is over both classes. The published recipe reached
IoU 0.711 and F1 0.820 on its own test split.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import geounet
from geounet.training.dataset import load_sheets, read_manifest
from geounet.training.recipes import recipe
from geounet.training.score import figures, probability
from geounet.training.sheet import held
from geounet.training.shown import Shown
from geounet.training.whole import as_shown

METRICS = ("image_iou", "image_f1", "image_mean_iou", "pixel_iou")


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--manifest", type=Path, default=Path("docs/models/nuclei.toml"))
    parser.add_argument("--model", default="nuclei-small")
    options = parser.parse_args()
    segmenter = geounet.load_model(options.model)
    shown = Shown.of(recipe("nuclei-small"))
    sheets = load_sheets(options.data, read_manifest(options.manifest), None, shown)
    scored = [(s, probability(segmenter, s)) for s in as_shown(held(sheets, "test"), shown)]
    found = figures(scored, segmenter.card.threshold, METRICS, segmenter.card.classes)
    print(json.dumps({"model": segmenter.card.name, "images": len(scored)} | found))


if __name__ == "__main__":
    main()
