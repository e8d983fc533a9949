"""A prediction against the truth: every score, and one report."""

from __future__ import annotations

import csv
import json
import math
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from geounet import __version__
from geounet.errors import OptionError
from geounet.evaluation.examples import choose, drawn
from geounet.evaluation.layers import write_objects
from geounet.evaluation.opening import Opener, find_files
from geounet.evaluation.report import charts, page
from geounet.evaluation.scan import scan
from geounet.evaluation.scores import score_image
from geounet.evaluation.sides import Meaning
from geounet.evaluation.summary import image_row, pooled, summary
from geounet.outputs import check_target, new_folder, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from geounet.evaluation.examples import Example
    from geounet.evaluation.opening import Files
    from geounet.evaluation.scores import ImageScore
    from geounet.evaluation.sides import Values
    from geounet.reader import RasterInfo

OUTPUTS = (
    "metrics.json", "metrics.csv", "confusion.svg", "precision_recall.svg", "report.html",
    "objects.gpkg",
)  # fmt: skip
"""Files of a report."""

_LEVELS = ("no building", "no damage", "minor", "major", "destroyed")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What a user may ask of a comparison."""

    values: Values = "mask"
    """What pixels but 0 are: set, the number of a class, or a level of damage from 1 to 4."""
    class_by: str | None = None
    """Column of a vector layer with the class; None: `class`, or `damage` for damage."""
    threshold: float = 0.5
    """Probability from which a pixel is foreground."""
    images: Path | None = None
    """The image, or a folder of them: the grid of vector layers, valid pixels, pictures."""
    layer: str | None = None
    """Layer of a predicted vector file; None takes the first."""
    truth_layer: str | None = None
    """Layer of a true one."""
    gsd: float = 0.5
    """Metres a pixel of the grid that two vector layers are drawn on without an image."""
    boundary: int = 2
    """Pixels from an edge that count for the boundary IoU."""
    boundary_m: float | None = None
    """The same in metres."""
    stride: int | None = None
    """Pixels from seam to seam of the tiles of the prediction; None when they are not known."""
    overwrite: bool = False
    """Replace outputs that exist."""
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""


def evaluate(
    prediction: Path,
    truth: Path,
    out: Path,
    options: EvaluateOptions | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Compare a prediction with the truth; return the scores, as `metrics.json` has them.

    Args:
        prediction: a raster, a folder of rasters or layers, or a vector layer.
        truth: the same, of any kind and CRS.
        out: folder of the report.
        options: everything else.
        progress: called with rows done and rows in total, image by image.

    Raises:
        GeounetError: a file cannot be used; nothing was written then.
    """
    options = options or EvaluateOptions()
    _check(options)
    files = find_files(prediction, truth, options.images)
    with new_folder(out), ExitStack() as stack:
        targets = [out / name for name in OUTPUTS]
        inputs = [path for each in files for path in (each.ours, each.theirs)]
        for target in targets:
            check_target(
                target, inputs=inputs, overwrite=options.overwrite, suffixes=[target.suffix]
            )
        meaning = Meaning(
            values=options.values, threshold=options.threshold, class_by=options.class_by
        )
        opener = Opener(
            meaning,
            layers=(options.layer, options.truth_layer),
            gsd=options.gsd,
            allow_vrt=options.allow_vrt,
        )
        images = [_scored(opener, each, options, progress) for each in files]
        said = _said(prediction, truth, images, options)
        pictures = charts(images, _class_names(images, options))
        chosen = choose(images)
        paths = {each.name: stack.enter_context(staged(each)) for each in targets}
        examples = _pictures(opener, files, chosen)
        write_objects(paths["objects.gpkg"], images, _facts(said))
        texts = {**pictures, "report.html": page(said, pictures, examples)}
        texts["metrics.json"] = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
        for name, text in texts.items():
            paths[name].write_text(text, encoding="utf-8")
        _write_rows(paths["metrics.csv"], images)
    return said


def _check(options: EvaluateOptions) -> None:
    if not 0 < options.threshold <= 1:
        raise OptionError(f"threshold must lie above 0 and up to 1, got {options.threshold}")
    if options.boundary < 1:
        raise OptionError(f"a boundary reaches 1 pixel at least, got {options.boundary}; try 2")
    if options.boundary_m is not None and not 0 < options.boundary_m < math.inf:
        raise OptionError(f"a boundary reaches above 0 metres, got {options.boundary_m}; try 1")
    if not 0 < options.gsd < math.inf:
        raise OptionError(f"gsd must be above 0, got {options.gsd}")
    if options.stride is not None and options.stride < 1:
        raise OptionError(f"a stride is 1 pixel at least, got {options.stride}")
    if options.class_by is not None and options.values == "mask":
        raise OptionError("--class-by means nothing for a mask; add --values classes")


def _scored(
    opener: Opener, files: Files, options: EvaluateOptions, progress: Callable[[int, int], None]
) -> ImageScore:
    with ExitStack() as stack:
        pair = opener.pair(files, stack)
        found = scan(pair, _distance(pair.grid, options), options.values, progress)
    return score_image(files.name, pair.grid, found, options.stride)


def _distance(grid: RasterInfo, options: EvaluateOptions) -> int:
    if options.boundary_m is None:
        return options.boundary
    if grid.gsd is None:
        raise OptionError(f"{grid.path}: has no CRS, so metres mean nothing; use --boundary")
    return max(round(options.boundary_m / grid.gsd), 1)


def _pictures(
    opener: Opener, files: Sequence[Files], chosen: Sequence[Example]
) -> Iterator[tuple[Example, str, bytes]]:
    for example in chosen:
        with ExitStack() as stack:
            pair = opener.pair(files[example.image], stack)
            yield example, pair.name, drawn(example, pair)


def _said(
    prediction: Path, truth: Path, images: Sequence[ImageScore], options: EvaluateOptions
) -> dict[str, Any]:
    named = {"software": f"geounet {__version__}", "prediction": prediction.name}
    asked = {key: value for key, value in asdict(options).items() if key != "overwrite"}
    said = summary(images, options.values)
    reach = {_distance(each.grid, options) for each in images}
    said["boundary"]["distance_px"] = max(reach)
    told = {**named, "truth": truth.name, "options": asked, **said}
    plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
    return plain


def _class_names(images: Sequence[ImageScore], options: EvaluateOptions) -> list[str]:
    count = len(pooled(images).matrix)
    if options.values == "damage":
        return list(_LEVELS[:count])
    if options.values == "mask":
        return ["background", "building"]
    return ["background", *(f"class {at}" for at in range(1, count))]


def _facts(said: dict[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in ("software", "prediction", "truth", "options")}


def _write_rows(path: Path, images: Sequence[ImageScore]) -> None:
    rows = [image_row(each) for each in images]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
