"""One page to look at a comparison: figures, pictures, examples; needs no network."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.evaluation.charts import confusion_chart, curves_chart
from geounet.evaluation.examples import FALSE, FOUND, MISSED
from geounet.evaluation.summary import object_curve, pooled, swept
from geounet.page.frame import Frame, framed, page_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from geounet.evaluation.examples import Example
    from geounet.evaluation.scores import ImageScore

    Floats = NDArray[np.float64]

_STYLE = """
.charts { display: flex; flex-wrap: wrap; gap: 22px; align-items: flex-start; }
.charts svg { width: auto; max-width: 100%; height: auto; border-radius: 10px; }
section table { width: auto; border-collapse: collapse; margin-top: 8px; }
section td, section th { padding: 3px 18px 3px 0; width: auto; text-align: right; }
section td:last-child, section th:last-child { color: var(--ink); text-align: right; }
figure { margin: 14px 0 0; } figure img { max-width: 100%; border-radius: 6px; display: block; }
figcaption { font-size: 13px; color: var(--quiet); margin-bottom: 3px; }
.key i { display: inline-block; width: 11px; height: 11px; margin: 0 5px 0 14px; }
"""


def charts(images: Sequence[ImageScore], names: Sequence[str]) -> dict[str, str]:
    """Return the pictures of a report by their file's name."""
    curves: list[tuple[str, Floats, Floats]] = []
    sweep, objects = swept(images), object_curve(images)
    if sweep is not None:
        scores = sweep.scores()
        recall, precision = (
            np.array([getattr(score, name)[1] for score in scores])
            for name in ("recall", "precision")
        )
        curves.append(("pixels, by threshold", recall, precision))
    if objects is not None:
        curves.append(("objects at IoU 0.5, by confidence", *objects))
    return {
        "confusion.svg": confusion_chart(pooled(images), names),
        "precision_recall.svg": curves_chart(curves),
    }


def page(
    said: Mapping[str, Any],
    pictures: Mapping[str, str],
    examples: Iterable[tuple[Example, str, bytes]],
) -> str:
    """Return the page as HTML.

    Args:
        said: the summary, with `prediction` and `truth`.
        pictures: SVG by name.
        examples: each with the name of its image and its JPEG.
    """
    parts = [
        f'<section class="figures">{"".join(_figures(said))}</section>',
        f'<section class="charts">{"".join(pictures.values())}</section>',
        f'<section class="charts">{"".join(_tables(said))}</section>',
        *_examples(examples),
    ]
    title = escape(f"{said['prediction']} against {said['truth']}")
    frame = Frame(
        title=title,
        kicker="geounet evaluate",
        name=title,
        about=escape(_about(said)),
        software=escape(said["software"]),
        main="\n".join(parts),
        style=page_file("page.css") + _STYLE,
        data={},
        scripts=[],
    )
    return framed(frame)


def _about(said: Mapping[str, Any]) -> str:
    pixels, objects = said["pixels"]["compared"], said["objects"]
    images = f"{said['images']:,} image{'s' * (said['images'] != 1)}"
    return (
        f"{images}  ·  {pixels:,} pixels compared  ·  {objects['truth']:,} true and "
        f"{objects['predicted']:,} predicted objects  ·  boundary within "
        f"{said['boundary']['distance_px']} px"
    )


def _figures(said: Mapping[str, Any]) -> Iterator[str]:
    pixels, objects = said["pixels"]["of_all_pixels"], said["objects"]
    pairs = [
        (pixels["iou"], "pixel IoU"),
        (pixels["f1"], "pixel F1"),
        (said["pixels"]["mean_of_images"]["iou"], "mean IoU of images"),
        (pixels["mean_iou"], "mean IoU of classes"),
        (said["boundary"]["iou"], "boundary IoU"),
        (objects["f1"], "object F1 at IoU 0.5"),
        (objects["ap50"], "AP50"),
        (objects["ap"], "AP .5 to .95"),
        (objects["spacenet_f1"], "SpaceNet F1"),
    ]
    if said["xview2"] is not None:
        pairs.append((said["xview2"]["score"], "xView2 score"))
    for value, name in pairs:
        yield f"<div><b>{_number(value)}</b><span>{name}</span></div>"


def _tables(said: Mapping[str, Any]) -> Iterator[str]:
    yield _table("Pixels by class", said["pixels"]["classes"])
    yield _table("Objects by IoU", said["objects"]["by_iou"])
    size = said["by_size"]
    unit = "m²" if size["unit"] == "m2" else "px"
    yield _table(f"Objects by size, {unit}", size["groups"])
    if said["by_seam_distance"] is not None:
        yield _table("Objects by distance to a tile's seam, px", said["by_seam_distance"]["groups"])
    yield _table("Shape of the pairs found", [said["shapes"]])
    if said["xview2"] is not None:
        yield _table("xView2", [said["xview2"]])
    if said["sweep"] is not None:
        best = said["sweep"]
        words = f"Pixels by threshold; F1 is best, {best['best_f1']:.3f}, at "
        yield _table(f"{words}{best['best_threshold']:.2f}", best["thresholds"])


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(str(name)).replace('_', ' ')}</th>" for name in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{_number(value)}</td>' for value in row.values())}</tr>"
        for row in rows
    )
    return f"<div><h2>{title}</h2><table><tr>{head}</tr>{body}</table></div>"


def _examples(examples: Iterable[tuple[Example, str, bytes]]) -> Iterator[str]:
    keys = (("found", FOUND), ("false", FALSE), ("missed", MISSED))
    legend = "".join(f'<i style="background:rgb{colour}"></i>{name}' for name, colour in keys)
    yield '<section><h2>Examples</h2><p class="quiet key">Image, where there is one; truth; '
    yield f"prediction; overlay:{legend}</p>"
    for example, name, jpeg in examples:
        data = b64encode(jpeg).decode("ascii")
        row, col = int(example.window.row_off), int(example.window.col_off)
        where = f"{name}, row {row:,}, column {col:,}"
        yield (
            f"<figure><figcaption>{example.kind}: IoU {example.iou:.2f} · {escape(where)}"
            f'</figcaption><img alt="{escape(where)}" src="data:image/jpeg;base64,{data}"></figure>'
        )
    yield "</section>"


def _number(value: float | str | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
