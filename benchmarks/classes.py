"""Learn buildings and streets of sample towns; look at both, and at what a balance does.

python benchmarks/classes.py OUT.safetensors --steps 300 --threads 1

Writes the model with its curve and examples, and prints one JSON line: IoU of each class on a
town that was not learnt from, share of the chips that show each class, seconds of CPU.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from geounet.scenes.streets import lay_streets
from geounet.scenes.town import GSD, burn, town
from geounet.training.finish import train
from geounet.training.fit import FitOptions
from geounet.training.recipes import recipe
from geounet.training.sampler import make_sampler
from geounet.training.sheet import Sheet
from geounet.training.shown import Shown

NAMES = ("building", "street")
SIZE = 512
SEEDS = {"train": range(100, 106), "validation": range(200, 203), "test": range(300, 302)}
SHOWN = 40
"""Batches that are looked at for the share of each class."""


def sheet(seed: int, split: str) -> Sheet:
    """Return a town with its streets, which are laid first of all that is drawn."""
    scene = town(SIZE, seed)
    streets, _ = lay_streets(SIZE * GSD, np.random.default_rng([seed, SIZE]))
    ways = [street.line.buffer(street.width / 2) for street in streets]
    paved = burn([way.__class__(np.array(way.exterior.coords) / GSD) for way in ways], SIZE)
    mask = np.where(scene.mask, 1, np.where(paved, 2, 0)).astype(np.uint8)
    return Sheet(
        name=f"town-{seed}", place="town", split=split, image=scene.image, mask=mask,
        valid=scene.valid, gsd=GSD, weight=1.0,
    )  # fmt: skip


def shown(sheets: list[Sheet], how: Shown) -> dict[str, float]:
    """Return the share of the chips that show each class."""
    sampler = make_sampler([one for one in sheets if one.split == "train"], how, 0)
    chips = np.concatenate([sampler.batch(step).masks.numpy() for step in range(SHOWN)])
    return {
        name: round(float((chips == number).any(axis=(1, 2, 3)).mean()), 3)
        for number, name in enumerate(NAMES, 1)
    }


def main() -> None:
    """Train, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    options = {"stem": 16, "filters": (16, 32, 64)}
    chips = replace(
        recipe("buildings"), classes=NAMES, network_options=options, chip=128, steps=asked.steps,
        learning_rate=5e-3, average=0.98, edge_weight=0.0,
    )  # fmt: skip
    sheets = [sheet(seed, split) for split, seeds in SEEDS.items() for seed in seeds]
    began = time.process_time()
    made = train(
        sheets, chips, asked.out, FitOptions(name="town", device="cpu", threads=asked.threads)
    )
    seconds = round(time.process_time() - began, 1)
    plain, balanced = (
        shown(sheets, Shown.of(replace(chips, chip=32, balance=balance)))
        for balance in ({}, {"street": 0.5})
    )
    print(
        json.dumps(
            {"steps": asked.steps, "cpu_s": seconds, "threshold": made.card.threshold}
            | {"iou": made.card.metrics["town"], "chips": plain, "street 0.5": balanced}
        )
    )


if __name__ == "__main__":
    main()
