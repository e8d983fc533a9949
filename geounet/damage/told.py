"""What lies beside a damage map: pictures, charts, and a page to explore its buildings with."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geounet.damage.picture import draw_change
from geounet.embeddings.items import Items
from geounet.embeddings.pictures import Pictures, stretch_of
from geounet.embeddings.publish import PICTURED, write_report
from geounet.embeddings.report import OUTPUTS, Report
from geounet.embeddings.thumbnails import open_thumbnails
from geounet.outputs import check_target, make_folder, staged

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.damage.layers import Found
    from geounet.embeddings.clusters import Clusters
    from geounet.reader import Reader

CHANGE = "change.png"
"""The map as a picture."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """Buildings as the page tells of them."""

    items: Items
    """The buildings."""
    pictures: Path
    """The ZIP of their pictures."""
    found: Clusters
    """Their clusters."""
    seed: int
    """Of the projections."""
    title: str
    """Of the page."""


def folder_of(out: Path) -> Path:
    """Return where the pictures of a map go."""
    return out.with_name(f"{out.stem}_pictures")


def check_folder(out: Path, *, overwrite: bool) -> None:
    """Refuse pictures that exist; makes nothing.

    Raises:
        TargetError: a picture exists, or the folder is none.
    """
    folder = folder_of(out)
    if folder.exists():
        for name in (*OUTPUTS, CHANGE):
            target = folder / name
            check_target(target, overwrite=overwrite, suffixes=[target.suffix])


def items_of(found: Found, pictures: Path, reader: Reader) -> Items:
    """Return buildings as items, and take a picture of those that the page can show.

    Args:
        found: the buildings, in the CRS of the image.
        pictures: ZIP to write.
        reader: of the later image.
    """
    import pyarrow as pa  # noqa: PLC0415 - optional

    count = len(found.ids)
    names: NDArray[np.object_] = np.full(count, None, object)
    order = np.argsort(found.rank)
    inverse, stretch = ~reader.info.transform, stretch_of(reader)
    with Pictures(pictures) as file:
        for row in np.unique(order[np.linspace(0, count - 1, min(count, PICTURED)).astype(int)]):
            x, y = shapely.get_coordinates(found.shapes[row]).T
            cols, rows = inverse @ (x, y)
            box = np.array([cols.min(), rows.min(), cols.max(), rows.max()])
            names[row] = f"{row:08d}.jpg"
            file.add(names[row], reader, box, stretch)
    numbers = {"rank": found.rank.astype(np.float64)}
    if found.change is not None:
        numbers = {"change": found.change} | numbers
    return Items(
        vectors=np.empty((count, 0), np.float32),
        ids=found.ids,
        shapes=pa.chunked_array([pa.array(shapely.to_wkb(found.shapes).tolist(), pa.binary())]),
        crs=found.crs,
        thumbnails=names,
        numbers=numbers,
    )


def write_pictures(
    out: Path, told: Told, house: Found, square: Found, reader: Reader, facts: dict[str, Any]
) -> list[Path]:
    """Write the folder of pictures; return its files. Nothing is left of it after an error."""
    folder = folder_of(out)
    fresh = not folder.exists()
    make_folder(folder)
    try:
        with ExitStack() as stack:
            report = Report(
                title=told.title,
                items=told.items,
                found=told.found,
                named=None,
                thumbnails=stack.enter_context(open_thumbnails(told.pictures)),
                seed=told.seed,
            )
            names = report.wanted()
            paths = {name: stack.enter_context(staged(folder / name)) for name in (*names, CHANGE)}
            write_report(report, paths, facts)
            draw_change(paths[CHANGE], reader, house, square)
    except BaseException:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    for name in set(OUTPUTS) - set(names):
        (folder / name).unlink(missing_ok=True)
    return [folder / CHANGE, *(folder / name for name in names)]
