"""Write the page: template, style and script from their files, the result's parts in between."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.page.charts import LEVELS, area_bars, confidence_bars, draw
from geounet.page.closeups import close_ups
from geounet.page.frame import Frame, framed, page_file
from geounet.page.parts import Parts
from geounet.page.shapes import UNIT, read_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geounet.preview import Preview
    from geounet.reader import RasterInfo, Reader


def write_page(  # noqa: PLR0913 - what a page shows has as many sources
    path: Path,
    *,
    preview: Preview,
    info: RasterInfo,
    footprints: Path,
    layer: str,
    facts: Mapping[str, Any],
    summary: Mapping[str, Any],
    reader: Reader | None = None,
) -> None:
    """Write one HTML file that needs no network; the same result gives the same bytes.

    Args:
        path: `.html` to write; hand in a staged path.
        preview: picture of the raster.
        info: of the raster the picture was made of.
        footprints: the vector file.
        layer: its layer.
        facts: provenance as the outputs store it: `software`, `input`, `model` (the card),
            `options`, and anything else.
        summary: what was done, as `Result.as_dict` says it; every entry may be missing.
        reader: of the same raster; with it, the places to look at first are shown sharp.
    """
    shapes = read_shapes(footprints, layer, info)
    parts = Parts(info, shapes, facts, summary, float(np.mean(preview.valid)), preview.scale)
    data = _data(preview, parts)
    if reader is not None:
        data["closeUps"] = _close_ups(reader, preview, parts)
        parts = replace(parts, sharp=len(data["closeUps"]))
    words = parts.html()
    main = Template(page_file("page.html")).substitute(
        words,
        image=_uri("image/jpeg", preview.jpeg()),
        area_chart=draw(area_bars(shapes.area, parts.unit)),
        confidence_chart=draw(confidence_bars(shapes.confidence)),
    )
    frame = Frame(
        title=f"{words['name']} – building footprints",
        kicker="Building footprints",
        **{name: words[name] for name in ("name", "about", "software")},
        main=main,
        foot=f"  <p>{words['licence']}</p>",
        style=page_file("page.css"),
        data=data,
        scripts=[page_file("page.js")],
    )
    path.write_text(framed(frame), encoding="utf-8", newline="\n")


def _data(preview: Preview, parts: Parts) -> dict[str, Any]:
    """What the script needs: sizes in pixels of the raster, packed outlines."""
    info = parts.info
    return parts.shapes.packed() | {
        "width": info.width,
        "height": info.height,
        "scale": preview.scale,
        "unit": UNIT,
        "unitName": parts.unit,
        "gsd": info.gsd,
        "transform": list(info.transform)[:6],
        "levels": [round(1000 * level) for level in LEVELS],
        "mask": _uri("image/png", preview.mask_png()),
    }


def _close_ups(reader: Reader, scene: Preview, parts: Parts) -> list[list[Any]]:
    """Left, top, width, height in pixels of the raster, and the picture."""
    shapes = parts.shapes
    outlines = shapes.outlines[np.searchsorted(shapes.drawn, parts.looks)]
    return [
        [
            *(int(number) for number in found.window.flatten()),
            _uri("image/jpeg", found.picture.jpeg(75)),
        ]
        for found in close_ups(reader, scene, outlines)
    ]


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode('ascii')}"
