"""How good a model is in a place it knows nothing of: trained without it, then scored there.

    python benchmarks/places.py DATA --out FOLDER [--steps 4000] [--places inria banepa]

Each place of the manifest in turn is left out of training, of validation and so of the threshold;
its test sheets then say how good the rest was for it. A model that is in the folder is not trained
again, one whose training was killed goes on. The recipe is that of the bundled model's second part,
from random weights. Prints one JSON line a place.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

from geounet.model import read_card
from geounet.training.dataset import read_manifest

SET = "[[set]]"
GEOUNET = Path(sys.executable).with_name("geounet")


def main() -> None:
    """Train what is missing, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--manifest", type=Path, default=Path("docs/models/buildings.toml"))
    parser.add_argument("--config", type=Path, default=Path("docs/models/buildings-recipe.toml"))
    parser.add_argument("--out", type=Path, required=True, help="keeps the models")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--places", nargs="*", help="all that have test sheets")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tables = read_manifest(options.manifest).tables
    tested = {table["name"]: None for table in tables if table["split"] == "test"}
    found = []
    for place in options.places or tested:
        model = options.out / f"without-{place}.safetensors"
        if not model.exists():
            train(model, place, options)
        metrics = read_card(model).metrics
        found.append(metrics[place]["pixel_iou"])
        print(json.dumps({"without": place, "steps": options.steps, "iou": metrics}), flush=True)
    print(json.dumps({"mean of the places left out": round(statistics.mean(found), 4)}))


def train(model: Path, place: str, options: argparse.Namespace) -> None:
    """Train a model that knows nothing of a place."""
    manifest = model.with_suffix(".toml")
    text = without(options.manifest.read_text(encoding="utf-8"), place)
    manifest.write_text(text, encoding="utf-8")
    words = [str(GEOUNET), "train", str(options.data), "--manifest", str(manifest)]
    recipe = tomllib.loads(options.config.read_text(encoding="utf-8")) | {"start_share": 0.0}
    config = model.with_suffix(".json")
    config.write_text(json.dumps(recipe), encoding="utf-8")
    words += ["--config", str(config), "--steps", str(options.steps), "--seed", "1"]
    words += ["--weight", "town=0.35", "-o", str(model)]
    if model.with_name(f"{model.name}.state").exists():
        words.append("--resume")
    subprocess.run(words, check=True)


def without(manifest: str, place: str) -> str:
    """Return a manifest in which a place has nothing but its test sets."""
    first, *sets = manifest.split(SET)
    kept = [first]
    for text in sets:
        (table,) = tomllib.loads(SET + text)["set"]
        if table["name"] != place or table["split"] == "test":
            kept.append(text)
    return SET.join(kept)


if __name__ == "__main__":
    main()
