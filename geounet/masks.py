"""Annotations and the images they were drawn on → class rasters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.windows import Window

from geounet.annotations.classes import MOST, NAMES, class_names, read_names, write_names
from geounet.annotations.coco import CATEGORY, parse_shapes
from geounet.annotations.shapes import draw, fault
from geounet.annotations.vector import SUFFIXES as VECTORS
from geounet.annotations.vector import read_layer, shapes_on
from geounet.annotations.via import is_via, parse_via
from geounet.cog import class_writer
from geounet.contact import write_sheet
from geounet.documents import read_json
from geounet.errors import AnnotationError, OptionError, TargetError
from geounet.imagery import Imagery, grid_of
from geounet.outputs import check_target, make_folder, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shapely.geometry.base import BaseGeometry

    from geounet.annotations.shapes import Shape
    from geounet.reader import RasterInfo

    Drawn = list[tuple[BaseGeometry, int]]

_STRIP = 512


@dataclass(frozen=True, kw_only=True)
class MasksOptions:
    """What a user may ask of masks from annotations."""

    where: tuple[tuple[str, str], ...] = ()
    """Only shapes whose attributes have these values."""
    class_by: str | None = None
    """Attribute whose values are classes; None: a COCO file's categories, else one class."""
    layer: str | None = None
    """Layer of a vector file; None takes the first."""
    sheet: Path | None = None
    """Contact sheet to write, .png."""
    overwrite: bool = False
    """Replace outputs that exist."""


@dataclass(kw_only=True)
class MasksResult:
    """What was made, and what was not."""

    out: list[Path] = field(default_factory=list)
    """The masks."""
    classes: list[str] = field(default_factory=list)
    """Names of class 1, 2 and so on; empty when there is one without a name."""
    shapes: int = 0
    """Shapes drawn."""
    missing: list[str] = field(default_factory=list)
    """Images of the file that are not in the folder."""
    left_out: list[str] = field(default_factory=list)
    """Shapes that were not drawn: file, entry, cause."""
    doubtful: list[str] = field(default_factory=list)
    """Shapes that were drawn, but perhaps not as meant."""


@dataclass(frozen=True)
class _Job:
    """One image and what is drawn on it."""

    name: PurePosixPath
    raster: str
    info: RasterInfo
    shapes: list[Shape]


def make_masks(
    annotations: Path,
    images: Path,
    out: Path,
    options: MasksOptions | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> MasksResult:
    """Write one class raster an image into a folder; images that are missing are listed.

    Args:
        annotations: VIA 1 or 2, COCO, or a vector file over georeferenced images.
        images: their folder.
        out: folder of the masks, `NAME.tif` of image `NAME.png`.
        options: everything else.
        progress: called with images done and images in total.

    Raises:
        GeounetError: a file cannot be used, or no image is there; nothing was written then.
    """
    options, result = options or MasksOptions(), MasksResult()
    jobs, class_by = _jobs(annotations, images, options, result)
    if not jobs:
        raise AnnotationError(
            f"{annotations}: none of its {len(result.missing):,} images is in {images} "
            f"(such as {result.missing[0]}); name their folder with --images"
            if result.missing
            else f"{annotations}: lists no image; nothing to do"
        )
    drawn = _classified(jobs, class_by, options, result)
    targets = [out / job.name.with_suffix(".tif") for job in jobs]
    _check_names(out / NAMES, result.classes, options)
    _check(targets, [annotations, *(job.raster for job in jobs)], options)
    for done, (job, target, shapes) in enumerate(zip(jobs, targets, drawn, strict=True), 1):
        make_folder(target.parent)
        with staged(target) as path:
            _write(path, job.info, shapes, max(len(result.classes), 1))
        result.out.append(target)
        result.shapes += len(shapes)
        progress(done, len(jobs))
    if result.classes:
        write_names(out / NAMES, result.classes)
    else:
        (out / NAMES).unlink(missing_ok=True)
    if options.sheet is not None:
        rows = [(job.raster, target) for job, target in zip(jobs, targets, strict=True)]
        write_sheet(options.sheet, rows)
    return result


def _jobs(
    annotations: Path, images: Path, options: MasksOptions, result: MasksResult
) -> tuple[list[_Job], str | None]:
    """Return the images that are there with their shapes, and the attribute of their classes."""
    content = None if annotations.suffix.lower() in VECTORS else read_json(annotations)
    if content is None or (
        isinstance(content, dict) and content.get("type") == "FeatureCollection"
    ):
        return _on_ground(annotations, images, options), options.class_by
    if options.layer is not None:
        raise OptionError(
            f"{annotations}: has no layers, got --layer {options.layer}; leave it out"
        )
    sizes: Mapping[PurePosixPath, tuple[int, int]] = {}
    if is_via(content):
        shapes, class_by = parse_via(content, annotations), options.class_by
    elif isinstance(content, dict) and {"images", "annotations"} & set(content):
        shapes, sizes = parse_shapes(content, annotations)
        class_by = options.class_by or CATEGORY
    else:
        raise AnnotationError(f"{annotations}: is neither VIA, COCO nor GeoJSON; export it as one")
    found, jobs = Imagery(images), []
    for name, drawn in shapes.items():
        raster = found.get(name)
        if raster is None:
            result.missing.append(str(name))
            continue
        info = grid_of(raster)
        if sizes.get(name, info.shape) != info.shape:
            raise AnnotationError(
                f"{annotations}: {name} is {sizes[name]} (height, width; on disk {info.shape}); "
                "these are not the images it was drawn on"
            )
        jobs.append(_Job(name, raster, info, drawn))
    return jobs, class_by


def _on_ground(annotations: Path, images: Path, options: MasksOptions) -> list[_Job]:
    features = read_layer(annotations, options.layer)
    jobs = []
    for raster in Imagery(images).rasters:
        info = grid_of(raster)
        shapes = shapes_on(features, info, annotations)
        jobs.append(_Job(PurePosixPath(Path(raster).name), raster, info, shapes))
    return jobs


def _classified(
    jobs: Sequence[_Job], class_by: str | None, options: MasksOptions, result: MasksResult
) -> list[Drawn]:
    """Return what is drawn on each image, the largest class last."""
    wanted = [[shape for shape in job.shapes if _wanted(shape, options)] for job in jobs]
    every = [shape for shapes in wanted for shape in shapes]
    if options.where and not every:
        asked = ", ".join(f"{name}={value}" for name, value in options.where)
        raise OptionError(f"no shape has {asked}; look at the attributes in the file")
    if class_by is not None:
        result.classes = [*class_names(every, class_by)]
        if every and not result.classes:
            raise OptionError(f"no shape has an attribute {class_by}; look into the file")
    if len(result.classes) > MOST:
        raise OptionError(f"{class_by} has {len(result.classes)} values (at most {MOST} classes)")
    numbers = {name: number for number, name in enumerate(result.classes, 1)}
    return [
        sorted(_drawable(job, shapes, class_by, numbers, result), key=lambda pair: pair[1])
        for job, shapes in zip(jobs, wanted, strict=True)
    ]


def _wanted(shape: Shape, options: MasksOptions) -> bool:
    return all(value in shape.attributes.get(name, ()) for name, value in options.where)


def _drawable(
    job: _Job,
    shapes: Sequence[Shape],
    class_by: str | None,
    numbers: Mapping[str, int],
    result: MasksResult,
) -> Drawn:
    frame = shapely.box(0, 0, job.info.width, job.info.height)
    drawn: Drawn = []
    for shape in shapes:
        named = sorted(shape.attributes.get(class_by, ())) if class_by else []
        cause = fault(shape.geometry)
        if cause is None and not shapely.envelope(shape.geometry).intersects(frame):
            cause = f"it lies outside the image ({job.info.height} × {job.info.width})"
        if cause is None and class_by is not None and len(named) != 1:
            cause = f"it has {len(named)} values of {class_by}, expected one"
        if cause is not None:
            result.left_out.append(f"{shape.where}: not drawn: {cause}")
            continue
        if not shapely.is_valid(shape.geometry):
            result.doubtful.append(
                f"{shape.where}: crosses itself; what it encloses twice is not drawn"
            )
        drawn.append((shape.geometry, numbers[named[0]] if named else 1))
    return drawn


def _check(targets: Sequence[Path], inputs: Sequence[str | Path], options: MasksOptions) -> None:
    twice = [target for target, times in Counter(targets).items() if times > 1]
    if twice:
        raise OptionError(f"{twice[0]}: two images would become this mask; rename one of them")
    for target in targets:
        make_folder(target.parent)
        check_target(target, inputs=inputs, overwrite=options.overwrite, suffixes=(".tif",))
    if options.sheet is not None:
        check_target(options.sheet, inputs=inputs, overwrite=options.overwrite, suffixes=(".png",))


def _check_names(path: Path, classes: Sequence[str], options: MasksOptions) -> None:
    """Refuse a folder whose masks number other classes."""
    there = () if options.overwrite else read_names(path)
    if there and there != tuple(classes):
        raise TargetError(
            f"{path}: the masks beside it are of {', '.join(there)}, these of "
            f"{', '.join(classes) or 'one class'}; choose another folder, or pass --overwrite"
        )


def _write(path: Path, info: RasterInfo, shapes: Drawn, classes: int) -> None:
    """Draw strip by strip: an image of any size is never held as a whole."""
    bounds = shapely.bounds([geometry for geometry, _ in shapes]).reshape(-1, 4)
    with class_writer(path, info, classes) as writer:
        for row in range(0, info.height, _STRIP):
            window = Window(0, row, info.width, min(_STRIP, info.height - row))
            here = (bounds[:, 1] <= row + window.height) & (bounds[:, 3] >= row)
            labels = draw([shapes[at] for at in np.flatnonzero(here)], window)
            writer.write(labels[None], window)
