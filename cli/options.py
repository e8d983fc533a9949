"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from .kinds import AUTO, BANDS, BBOX, GSD, SCALE, SIZE
from .known import models

Command = Callable[..., Any]


def gives(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return what gives a command some options, in this order."""

    def given(command: Command) -> Command:
        return reduce(lambda done, option: option(done), reversed(options), command)

    return given


ALLOW_VRT = click.option(
    "--allow-vrt", is_flag=True, help="Open a VRT with sources outside its folder."
)
OVERWRITE = click.option("-f", "--overwrite", is_flag=True, help="Replace outputs that exist.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
VERBOSE = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False,
    help="What was chosen and why; tracebacks.",
)  # fmt: skip
"""`main` looks for it itself."""
SEEING = (
    click.option(
        "-m",
        "--model",
        multiple=True,
        shell_complete=models,
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
    ALLOW_VRT,
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
FILLED = (
    click.option(
        "--min-hole",
        type=float,
        default=0.0,
        show_default=True,
        help="Smaller holes of footprints are filled, m², where nothing else stands in them.",
    ),
    click.option(
        "--min-hole-pixels",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="The same in pixels.",
    ),
)
"""Which holes of footprints stay."""
PLANNED = ("tile", "halo", "blend", "threshold", "batch_size", "max_memory")


WANTED = (
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
)
"""Where footprints are wanted, and which."""
OUTLINED = (
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
"""How they are drawn."""
SIDES = {
    "probability": "the probability raster (COG)",
    "mask": "the class raster (COG)",
    "rle": "run lengths: .json (COCO) or .csv (Kaggle)",
    "embeddings": "what the network sees in squares of the ground (.parquet)",
    "project": "a QGIS project with everything loaded and styled (.qgz)",
    "report": "one self-contained page to look at (.html)",
}
"""Outputs beside the footprints."""


infers = gives(*SEEING, *ENGINE)
"""Gives a command the options of inference: which model, how, and on what."""
sees = gives(*SEEING)
"""Those of a model that is looked into: no engine, no seams."""
outlines = gives(*FILLED, *OUTLINED)
"""Those of how footprints are drawn."""
draws = gives(
    *(
        click.option(f"--{side}", type=click.Path(path_type=Path), help=f"Also write {what}.")
        for side, what in SIDES.items()
    ),
    *WANTED,
    *OUTLINED,
    *FILLED,
)
"""Those of footprints, and of what is written beside them."""
says = gives(JSON, QUIET, VERBOSE)
"""Those of what a command says; they stand last."""
tells = gives(OVERWRITE, JSON, QUIET, VERBOSE)
"""Those of what it may replace, too."""


def inference(rest: dict[str, Any]) -> dict[str, Any]:
    """What was typed, with the options of the plan gathered."""
    from geounet.plan import PlanOptions

    plan = PlanOptions(**{name: rest.pop(name) for name in PLANNED if name in rest})
    return {"plan": plan, **rest}


def predict_options(rest: dict[str, Any]) -> Any:
    """The options of a prediction from what was typed."""
    from geounet.predict import PredictOptions

    return PredictOptions(**inference(rest))
