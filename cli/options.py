"""Kinds of values that options take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


class Auto(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An integer, or a word."""

    def __init__(self, word: str = "auto") -> None:
        """Know one word."""
        self._word, self.name = word, f"INTEGER|{word}"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the integer or the word."""
        if value == self._word or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor {self._word!r}", param, ctx)


class Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Numbers separated by commas, or one of some words."""

    def __init__(
        self, kind: type, *, count: int | None = None, words: tuple[str, ...] = ()
    ) -> None:
        """Expect `count` numbers of one kind, any count when None."""
        self._kind, self._count, self._words = kind, count, words
        shape = ",".join(["N"] * count) if count else "N,…"
        self.name = "|".join([*words, shape])

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a tuple, or the word."""
        if not isinstance(value, str) or value in self._words:
            return value
        try:
            numbers = tuple(self._kind(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if not numbers or (self._count and len(numbers) != self._count):
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return numbers if self._count != 1 else numbers[0]


class Share(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A name and a number, as in `town=0.5`."""

    name = "PLACE=SHARE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the pair."""
        if isinstance(value, tuple):
            return value
        place, _, share = value.partition("=")
        try:
            number = float(share)
        except ValueError:
            number = -1.0
        if not place or number < 0:
            self.fail(f"{value!r} is not PLACE=SHARE with a share from 0 up", param, ctx)
        return place, number


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An amount of memory: `2GB` and `500M` count in thousands, `2GiB` in 1,024s."""

    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?", value.strip(), re.IGNORECASE)
        size = 0
        if found and (found[2] or not found[3]):
            step = 1024 if found[3] else 1000
            size = int(float(found[1]) * step ** " kmgt".index(found[2].lower() or " "))
        if not size:
            self.fail(f"{value!r} is no amount of memory; try 2GB or 1500MiB", param, ctx)
        return size


AUTO = Auto()
BANDS = Numbers(int)
SCALE = Numbers(float, count=2, words=("auto", "none"))
GSD = Numbers(float, count=1, words=("native", "model"))
BBOX = Numbers(float, count=4)
SHARE = Share()
SIZE = Size()

SEEING = (
    click.option(
        "-m",
        "--model",
        multiple=True,
        default=("buildings",),
        show_default=True,
        help="Bundled name, or path of a .safetensors or .onnx file, repeat it for an ensemble; "
        "or otsu, edges, watershed: no training.",
    ),
    click.option(
        "--tile",
        type=AUTO,
        default="auto",
        show_default=True,
        help="Edge of the network's input, halo included, pixels.",
    ),
    click.option(
        "--halo",
        type=AUTO,
        default="auto",
        show_default=True,
        help="Context on each side that is read but not kept, pixels.",
    ),
    click.option("--threshold", type=float, help="Probability of a building.  [the model's own]"),
    click.option("--bands", type=BANDS, help="Bands in the model's order, 1-based."),
    click.option(
        "--scale",
        type=SCALE,
        default="auto",
        show_default=True,
        help="Raw values that are black and white.",
    ),
    click.option(
        "--gsd",
        type=GSD,
        default="model",
        show_default=True,
        help="Ground sample distance to infer at, metres.",
    ),
    click.option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
    ),
    click.option(
        "--batch-size", type=AUTO, default="auto", show_default=True, help="Tiles in a batch."
    ),
    click.option("--threads", type=click.IntRange(1), help="Threads of the network on a CPU."),
    click.option(
        "--max-memory",
        type=SIZE,
        help="Memory the process may take, such as 2GB.  [2GB on a CPU, more where it must]",
    ),
    click.option("--allow-vrt", is_flag=True, help="Open a VRT with sources outside its folder."),
)
"""Which model, and how it sees a raster."""
ENGINE = (
    click.option(
        "--blend",
        type=click.Choice(["crop", "hann", "gaussian", "average"]),
        help="How tiles are joined.  [crop when the halo covers the receptive field, else hann]",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8"]),
        default="auto",
        show_default=True,
        help="Numbers the network computes with; int8 with OpenVINO alone.",
    ),
    click.option(
        "--backend",
        type=click.Choice(["auto", "torch", "compile", "onnx", "openvino"]),
        default="auto",
        show_default=True,
        help="What runs the network; auto: the fastest whose output is near that of fp32.",
    ),
    click.option(
        "--tta",
        type=click.Choice(["none", "flips", "d4"]),
        default="none",
        show_default=True,
        help="Mean over 4 (flips) or 8 (d4) views of each tile, at 4 or 8 times the work.",
    ),
)
"""What runs it, and how often."""
PLANNED = ("tile", "halo", "blend", "threshold", "batch_size", "max_memory")


def infers(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the options of inference: which model, how, and on what."""
    for option in reversed(SEEING + ENGINE):
        command = option(command)
    return command


DRAWN = (
    click.option(
        "--aoi",
        type=click.Path(path_type=Path),
        help="Vector file of polygons, in any CRS: a result only there.",
    ),
    click.option("--bbox", type=BBOX, help="The same as a box in the raster's CRS."),
    click.option(
        "--min-area", type=float, help="Smaller footprints are dropped, m².  [the model's own]"
    ),
    click.option(
        "--min-pixels",
        type=click.IntRange(0),
        help="The same in pixels, for rasters without a CRS.",
    ),
    click.option(
        "--outline",
        type=click.Choice(["regular", "smooth", "pixel"]),
        default="regular",
        show_default=True,
        help="Right-angled, simplified, or exact pixel edges.",
    ),
    click.option("--tolerance", type=float, help="How far an outline may move, m.  [four pixels]"),
    click.option("--split", is_flag=True, help="Part blobs that are several buildings."),
    click.option("--crs", help="CRS of the output; GeoJSON has its own.  [the raster's]"),
)
"""Where footprints are wanted, and how they are drawn."""
SIDES = {
    "probability": "the probability raster (COG)",
    "mask": "the class raster (COG)",
    "rle": "run lengths: .json (COCO) or .csv (Kaggle)",
    "embeddings": "what the network sees in squares of the ground (.parquet)",
    "project": "a QGIS project with everything loaded and styled (.qgz)",
    "report": "one self-contained page to look at (.html)",
}
"""Outputs beside the footprints."""


def draws(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the options of footprints and of what is written beside them."""
    path = click.Path(path_type=Path)
    sides = (click.option(f"--{s}", type=path, help=f"Also write {SIDES[s]}.") for s in SIDES)
    for option in reversed((*sides, *DRAWN)):
        command = option(command)
    return command


def sees(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a model that is looked into: no engine, no seams."""
    for option in reversed(SEEING):
        command = option(command)
    return command


def inference(rest: dict[str, Any]) -> dict[str, Any]:
    """What was typed, with the options of the plan gathered."""
    from geounet.plan import PlanOptions

    plan = PlanOptions(**{name: rest.pop(name) for name in PLANNED if name in rest})
    return {"plan": plan, **rest}


def predict_options(rest: dict[str, Any]) -> Any:
    """The options of a prediction from what was typed."""
    from geounet.predict import PredictOptions

    return PredictOptions(**inference(rest))
