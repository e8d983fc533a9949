"""What the scores of all images say together, as the JSON of a report."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.evaluation.damage import xview2
from geounet.evaluation.objects import IOUS, ObjectScore, average_precision, precision_recall
from geounet.evaluation.pixels import PixelScore, Sweep, summed
from geounet.quantise import STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.evaluation.scores import ImageScore
    from geounet.evaluation.sides import Values

    Floats = NDArray[np.float64]

SIZES_M2 = (0, 50, 100, 250, 1000, np.inf)
SIZES_PX = (0, 32**2, 96**2, np.inf)
SEAMS_PX = (0, 8, 32, 128, np.inf)
"""Edges of the groups that F1 is said of; sizes in pixels are COCO's."""

SWEPT = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Thresholds of a probability whose scores are told."""

_NONE = ObjectScore(0, 0, 0)


def summary(images: Sequence[ImageScore], values: Values) -> dict[str, Any]:
    """Return all scores: sums over the images, and means of the images where that is said."""
    metres = all(each.grid.crs is not None for each in images)
    seams = all(each.ours.seam is not None for each in images)
    return {
        "images": len(images),
        "pixels": _pixels(images),
        "boundary": _boundary(images),
        "sweep": _sweep(images),
        "objects": _objects(images),
        "shapes": _shapes(images),
        "by_size": {
            "unit": "m2" if metres else "px",
            "groups": _grouped(images, "area", SIZES_M2 if metres else SIZES_PX),
        },
        "by_seam_distance": {"unit": "px", "groups": _grouped(images, "seam", SEAMS_PX)}
        if seams
        else None,
        "xview2": xview2(pooled(images).matrix) if values == "damage" else None,
    }


def pooled(images: Sequence[ImageScore]) -> PixelScore:
    """Return the pixels of all images, the classes from 0 to the largest there is."""
    return PixelScore(summed([each.scan.matrix for each in images]))


def image_row(image: ImageScore) -> dict[str, Any]:
    """Return the scores of one image, flat."""
    score, objects = PixelScore(image.scan.matrix), image.objects.as_dict()
    return {
        "image": image.name,
        "width": image.grid.width,
        "height": image.grid.height,
        "pixels": score.pixels,
        **score.as_dict(),
        "boundary_iou": _share(*image.scan.rims),
        **{f"objects_{name}": value for name, value in objects.items()},
    }


def swept(images: Sequence[ImageScore]) -> Sweep | None:
    """Return the sweep over all images, None unless each is a probability."""
    sweeps = [each.scan.sweep for each in images]
    known = [each for each in sweeps if each is not None]
    if len(known) < len(sweeps):
        return None
    return Sweep(
        np.sum([each.there for each in known], axis=0),
        np.sum([each.elsewhere for each in known], axis=0),
    )


def object_curve(images: Sequence[ImageScore]) -> tuple[Floats, Floats] | None:
    """Return recall and precision of objects at IoU 0.5; None without scores or truth."""
    scores, truth = _scores(images), sum(len(each.theirs.area) for each in images)
    if scores is None or not truth or not len(scores):
        return None
    return precision_recall(_hits(images, 0), scores, truth)


def _pixels(images: Sequence[ImageScore]) -> dict[str, Any]:
    score = pooled(images)
    rows = [PixelScore(each.scan.matrix).as_dict() for each in images]
    columns = ("precision", "recall", "f1", "iou")
    return {
        "compared": score.pixels,
        "of_all_pixels": score.as_dict(),
        "mean_of_images": {name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
        "classes": [
            {"class": at, **{name: float(getattr(score, name)[at]) for name in columns}}
            for at in range(len(score.matrix))
        ],
        "confusion": score.matrix.tolist(),
    }


def _boundary(images: Sequence[ImageScore]) -> dict[str, float]:
    rims = [each.scan.rims for each in images]
    return {
        "iou": _share(*np.sum(rims, axis=0)),
        "mean_of_images": float(np.mean([_share(*each) for each in rims])),
    }


def _sweep(images: Sequence[ImageScore]) -> dict[str, Any] | None:
    sweep = swept(images)
    if sweep is None:
        return None
    scores, (best, f1) = sweep.scores(), sweep.best()
    rows = []
    for threshold in SWEPT:
        score = scores[int(np.ceil(STEPS * threshold - 1e-9))]
        names = ("precision", "recall", "f1", "iou")
        rows.append({"threshold": threshold, **{n: float(getattr(score, n)[1]) for n in names}})
    return {"best_threshold": best, "best_f1": f1, "thresholds": rows}


def _objects(images: Sequence[ImageScore]) -> dict[str, Any]:
    steps = [sum((each.at(step) for each in images), _NONE) for step in range(len(IOUS))]
    truth = sum(len(each.theirs.area) for each in images)
    scores = _scores(images)
    sure = np.zeros(sum(len(each.ours.area) for each in images)) if scores is None else scores
    precisions = [average_precision(_hits(images, at), sure, truth) for at in range(len(IOUS))]
    known = [each for each in precisions if each is not None]
    by_iou = [
        {"iou": iou, "f1": score.f1, "average_precision": precision}
        for iou, score, precision in zip(IOUS, steps, precisions, strict=True)
    ]
    return {
        **steps[0].as_dict(),
        "predicted": len(sure),
        "truth": truth,
        "left_out": np.sum([each.scan.left_out for each in images], axis=0).tolist(),
        "scored": scores is not None,
        "ap": float(np.mean(known)) if known else None,
        "ap50": precisions[IOUS.index(0.5)],
        "ap75": precisions[IOUS.index(0.75)],
        "spacenet_f1": sum((each.spacenet for each in images), _NONE).f1,
        "by_iou": by_iou,
    }


def _shapes(images: Sequence[ImageScore]) -> dict[str, float | int | None]:
    names = list(dict.fromkeys(name for each in images for name in each.shapes))
    found: dict[str, float | int | None] = {"pairs": sum(int(i.hits[0].sum()) for i in images)}
    for name in names:
        parts = [each.shapes[name] for each in images if name in each.shapes]
        every = np.concatenate(parts)
        found[name] = float(every.mean()) if len(every) else None
    return found


def _grouped(
    images: Sequence[ImageScore], column: str, edges: Sequence[float]
) -> list[dict[str, Any]]:
    """Return the scores by size or distance: found and missed by the true, false by the predicted.

    Args:
        images: all.
        column: `area` or `seam` of a group.
        edges: of the classes, ascending.
    """
    rows = []
    for low, high in pairwise(edges):
        score = _NONE
        for image in images:
            found, false = (
                (getattr(group, column) >= low) & (getattr(group, column) < high)
                for group in (image.theirs, image.ours)
            )
            hits = int((found & image.theirs.matched).sum())
            score += ObjectScore(
                hits, int((false & ~image.ours.matched).sum()), int(found.sum()) - hits
            )
        rows.append({"from": low, "to": None if np.isinf(high) else high, **score.as_dict()})
    return rows


def _scores(images: Sequence[ImageScore]) -> Floats | None:
    """Return how sure each predicted object is, None when an image does not say."""
    scores = [each.ours.scores for each in images]
    known = [each for each in scores if each is not None]
    return np.concatenate(known) if len(known) == len(scores) else None


def _hits(images: Sequence[ImageScore], step: int) -> NDArray[np.bool_]:
    return np.concatenate([each.hits[step] for each in images])


def _share(both: int, either: int) -> float:
    return float(both / either) if either else 1.0
