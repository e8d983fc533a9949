"""How good outlines are: ours, the raw pixel edges, Douglas-Peucker and buildingregulariser.

    python benchmarks/outlines.py [--count 400] [--seed 3] [--data FOLDER] [--sheet sheet.png]

Buildings of known outline are drawn at 0.3 m, blurred, made noisy and cut at one half, as a network
would see them; --data adds hand-drawn buildings of real places, treated likewise, and --found the
masks a model drew there. buildingregulariser (0.2.5, MIT) takes part when it is installed; it gets
our sub-pixel contours and the parameters that suit it best. One JSON object a row, then a table.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.features import rasterize
from scipy import ndimage

from geounet.footprints.corners import trace_cell
from geounet.footprints.outlines.apart import kept_apart
from geounet.footprints.outlines.contour import contours
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.outlines.polygons import assembled
from geounet.footprints.outlines.workers import Workers
from geounet.footprints.rings import concatenate
from geounet.footprints.trace import Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geounet.footprints.rings import Footprints

    Floats = np.ndarray
    Polygons = np.ndarray

GSD = 0.3
PITCH, FINE = 140, 3
HERE, UTM = Affine(GSD, 0, 500_000, 0, -GSD, 5_000_000), CRS(32633)
MIX = {"rect": 0.5, "L": 0.3, "T": 0.1, "U": 0.1}
ROUNDISH = {"chamfered": 0.6, "round": 0.4}
CORRELATION = 0.5
"""Pixels over which noise is smoothed; its deviation is that of the white noise it is made of."""


@dataclass(frozen=True)
class Case:
    """Objects with their true outlines, in pixels."""

    name: str
    batch: Footprints
    truth: Polygons
    transform: Affine = HERE
    crs: CRS = UTM

    @property
    def metres(self) -> float:
        """Metres of a pixel's edge, as a user of a planar library would reckon."""
        wide = np.cos(np.radians(self.transform.f)) * 111_320 if self.crs.is_geographic else 1
        return float(abs(self.transform.a) * wide)


def building(rng: np.random.Generator, kind: str) -> Floats:
    """Return the corners of one building in pixels around the origin, at a random angle."""
    w, h = np.sort(rng.uniform(8, 28, 2))[::-1] / GSD
    a, b, c = w * rng.uniform(0.25, 0.35), h * rng.uniform(0.35, 0.6), w * rng.uniform(0.65, 0.75)
    cut = min(w, h) * rng.uniform(0.25, 0.4)
    circle = np.exp(2j * np.pi * np.arange(64) / 64) * w / 2 + (w + h * 1j) / 2
    points = {
        "rect": [(0, 0), (w, 0), (w, h), (0, h)],
        "L": [(0, 0), (w, 0), (w, b), (a * 1.6, b), (a * 1.6, h), (0, h)],
        "T": [(0, 0), (w, 0), (w, b), (c, b), (c, h), (a, h), (a, b), (0, b)],
        "U": [(0, 0), (w, 0), (w, h), (c, h), (c, b), (a, b), (a, h), (0, h)],
        "chamfered": [(0, 0), (w, 0), (w, h - cut), (w - cut, h), (0, h)],
        "round": np.stack([circle.real, circle.imag], axis=1),
    }[kind]
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    mirror = rng.choice([-1, 1])
    return (np.asarray(points) - (w / 2, h / 2)) @ [[cos, sin], [-sin * mirror, cos * mirror]]


def seen(cover: Floats, blur: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Return the largest object that is left of a share of cover, blurred, made noisy and cut."""
    field = ndimage.gaussian_filter(rng.standard_normal(cover.shape), CORRELATION)
    mask = ndimage.gaussian_filter(cover, blur) + noise * field >= 0.5
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    return labels == np.bincount(labels[labels > 0]).argmax()


def drawn(name: str, mix: dict[str, float], blur: float, noise: float, asked: tuple) -> Case:
    """Return a case of buildings of a mix of kinds."""
    count, seed = asked
    rng = np.random.default_rng(seed)
    side = int(np.ceil(count**0.5))
    labels = np.zeros((side * PITCH, side * PITCH), np.uint8)
    truth = []
    for at in range(count):
        row, col = divmod(at, side)
        kind = str(rng.choice(list(mix), p=list(mix.values())))
        points = building(rng, kind) + PITCH / 2 + rng.uniform(-0.5, 0.5, 2)
        fine = rasterize([shapely.Polygon(points * FINE)], out_shape=(PITCH * FINE, PITCH * FINE))
        cover = fine.reshape(PITCH, FINE, PITCH, FINE).mean(axis=(1, 3))
        window = np.s_[row * PITCH : (row + 1) * PITCH, col * PITCH : (col + 1) * PITCH]
        labels[window] = seen(cover, blur, noise, rng)
        truth.append(shapely.Polygon(points + np.array([col, row]) * PITCH))
    return matched(name, labels, np.array(truth))


def real(place: Path, blur: float, noise: float, seed: int) -> Case:
    """Return hand-drawn buildings of a mosaic at 0.3 m, each drawn by itself."""
    (raster,) = (place / "mosaic").glob("*.tif")
    table = geopandas.read_file(place / "mosaic" / "buildings.geojson")
    transform, crs, size = grid_of(raster)
    polygons = table.to_crs(crs).geometry.explode().to_numpy()
    back = ~transform
    truth = shapely.transform(polygons, lambda xy: np.stack(back @ tuple(xy.T), axis=1))
    inside = shapely.within(truth, shapely.box(9, 9, size[1] - 9, size[0] - 9))
    truth = truth[inside & shapely.is_valid(truth) & (shapely.area(truth) > 150)]
    rng = np.random.default_rng(seed)
    found, kept = [], []
    for shape in truth:
        left, top, right, bottom = (int(each) for each in shape.bounds)
        frame = (bottom - top + 25) * FINE, (right - left + 25) * FINE
        moved = shapely.transform(shape, lambda xy, at=(left, top): (xy - at + 12) * FINE)
        fine = rasterize([moved], out_shape=frame)
        cover = fine.reshape(frame[0] // FINE, FINE, frame[1] // FINE, FINE).mean(axis=(1, 3))
        batch = traced(np.pad(seen(cover, blur, noise, rng), 1).astype(np.uint8))
        if len(batch):
            found.append(batch)
            kept.append(shapely.transform(shape, lambda xy, at=(left, top): xy - at + 13))
    name = place.name.removeprefix("hot_")
    return Case(name, concatenate(found), np.array(kept), transform, crs)


def grid_of(raster: Path) -> tuple[Affine, CRS, tuple[int, int]]:
    """Return transform, CRS and shape of a mosaic at about 0.3 m."""
    with rasterio.open(raster) as file:
        crs = CRS(file.crs)
        wide = 111_320 * np.cos(np.radians(file.bounds.bottom)) if crs.is_geographic else 1
        factor = GSD / (file.transform.a * wide)
        shape = int(file.height / factor), int(file.width / factor)
        return file.transform @ Affine.scale(factor), crs, shape


def found(mask: Path, place: Path) -> Case:
    """Return the objects of a model's class raster that match a hand-drawn building."""
    with rasterio.open(mask) as file:
        labels = (file.read(1) == 1).astype(np.uint8)
        transform, crs = file.transform, CRS(file.crs)
    table = geopandas.read_file(place / "mosaic" / "buildings.geojson").to_crs(crs)
    back = ~transform
    truth = shapely.transform(
        table.geometry.explode().to_numpy(), lambda xy: np.stack(back @ tuple(xy.T), axis=1)
    )
    case = matched(mask.stem + " (model)", labels, truth[shapely.is_valid(truth)], least=0.5)
    return Case(case.name, case.batch, case.truth, transform, crs)


def traced(labels: np.ndarray) -> Footprints:
    """Return all footprints of labels."""
    tracer = Tracer(labels.shape, 1)
    return concatenate([tracer.add_strip([trace_cell(labels, None, 1)]), tracer.finish()])


def matched(name: str, labels: np.ndarray, truth: Polygons, least: float = 0.3) -> Case:
    """Return the traced objects that overlap a true one enough, with it."""
    batch = traced(labels)
    polygons = batch.polygons()
    true, at = shapely.STRtree(polygons).query(truth, predicate="intersects")
    score = iou(polygons[at], truth[true])
    order = np.lexsort((-score, at))
    first = order[np.append(True, at[order][1:] != at[order][:-1])]
    first = first[score[first] > least]
    return Case(name, batch.take(at[first]), truth[true[first]])


def iou(one: Polygons, other: Polygons) -> Floats:
    """Return intersection over union, pair by pair."""
    both = shapely.area(shapely.intersection(one, other))
    return both / (shapely.area(one) + shapely.area(other) - both)


def ours(case: Case, kind: str = "regular") -> Polygons:
    """Return our outlines, in pixels."""
    options = OutlineOptions(kind=kind, tolerance_m=None, transform=case.transform, crs=case.crs)
    levels = Workers(1).begin(case.batch, options)()
    alone = np.zeros(len(case.batch), int)
    if not case.name.startswith(("banepa", "kampala")) or "model" in case.name:
        alone = kept_apart(case.batch, levels)
    made = case.batch.polygons()
    for at in range(len(levels) - 1, -1, -1):
        here = (alone <= at) & ~shapely.is_missing(levels[at])
        made = np.where(here, levels[at], made)
    return made


def raw(case: Case) -> Polygons:
    """Return the pixel edges."""
    return case.batch.polygons()


def simplified(case: Case) -> Polygons:
    """Return pixel edges simplified by 1.5 pixels."""
    return shapely.simplify(raw(case), 1.5)


def regularised(case: Case) -> Polygons:
    """Return what buildingregulariser makes of our sub-pixel contours, at its best parameters."""
    from buildingregulariser import regularize_geodataframe  # noqa: PLC0415

    contour = contours(case.batch)
    smooth = assembled(contour.points, contour.ring, contour.owners, len(case.batch))
    corner = case.batch.bounds[:, 1::-1]
    points, of = shapely.get_coordinates(smooth, return_index=True)
    smooth = shapely.buffer(shapely.set_coordinates(smooth, points + corner[of]), 0)
    biggest = np.array([max(shapely.get_parts(each), key=shapely.area) for each in smooth])
    biggest = np.array([without_specks(each) for each in biggest])
    metres = shapely.transform(biggest, lambda xy: xy * case.metres)
    table = geopandas.GeoDataFrame({"at": np.arange(len(metres))}, geometry=metres, crs=32633)
    made = regularize_geodataframe(
        table, parallel_threshold=4.0, simplify_tolerance=1.5, num_cores=1
    )
    made = made.sort_values("at").drop_duplicates("at")
    result = raw(case)
    result[made["at"]] = shapely.transform(made.geometry.to_numpy(), lambda xy: xy / case.metres)
    return result


def without_specks(polygon: shapely.Polygon) -> shapely.Polygon:
    """Return a polygon without holes of less than 36 pixels."""
    yards = [hole for hole in polygon.interiors if shapely.Polygon(hole).area >= 36]
    return shapely.Polygon(polygon.exterior, yards)


def polis(one: shapely.Geometry, other: shapely.Geometry) -> float:
    """Return the PoLiS distance (Avbelj, Müller and Bamler 2015)."""
    means = [
        shapely.distance(shapely.points(shapely.get_coordinates(a)), shapely.boundary(b)).mean()
        for a, b in ((one, other), (other, one))
    ]
    return float(np.mean(means))


def turned(made: shapely.Geometry, truth: shapely.Geometry) -> float:
    """Return the largest angle in degrees between a wall and the true wall it lies along."""
    walls, true = (_walls(each) for each in (made, truth))
    middle, way, length = true
    worst = 0.0
    for at, along, long in zip(*walls, strict=True):
        if long < 4:
            continue
        gap = at - middle
        off = np.abs(gap[:, 0] * way[:, 1] - gap[:, 1] * way[:, 0])
        beside = np.abs((gap * way).sum(axis=1)) < length / 2
        if beside.any():
            near = np.flatnonzero(beside)[off[beside].argmin()]
            cosine = min(abs(float(along @ way[near])), 1.0)
            worst = max(worst, float(np.degrees(np.arccos(cosine))))
    return worst


def _walls(polygon: shapely.Geometry) -> tuple[Floats, Floats, Floats]:
    points = shapely.get_coordinates(shapely.get_exterior_ring(polygon))
    way = np.diff(points, axis=0)
    length = np.hypot(*way.T)
    return (points[1:] + points[:-1]) / 2, way / length[:, None], length


def figures(case: Case, name: str, contender: Callable[[Case], Polygons]) -> dict:
    """Return the row of one contender in one case."""
    started = time.process_time()
    made = contender(case)
    spent = time.process_time() - started
    invalid = ~shapely.is_valid(made)
    made[invalid] = shapely.buffer(made[invalid], 0)
    score = iou(made, case.truth)
    corners, true = (shapely.get_num_coordinates(each) - 1 for each in (made, case.truth))
    complexity = 1 - np.abs(corners - true) / (corners + true)
    return {
        "case": case.name,
        "contender": name,
        "objects": len(made),
        "iou": round(float(score.mean()), 4),
        "exact": round(float((corners == true).mean()), 3),
        "n_ratio": round(float((corners / true).mean()), 2),
        "c_iou": round(float((score * complexity).mean()), 3),
        "polis_m": round(float(np.mean(list(map(polis, made, case.truth)))) * case.metres, 3),
        "hausdorff_m": round(
            float(shapely.hausdorff_distance(made, case.truth).mean()) * case.metres, 2
        ),
        "angle_deg": round(float(np.mean(list(map(turned, made, case.truth)))), 1),
        "invalid": int(invalid.sum()),
        "s_per_10k": round(spent / len(made) * 10_000, 1),
    }


def contenders() -> dict[str, Callable[[Case], Polygons]]:
    """Return who takes part."""
    known: dict[str, Callable[[Case], Polygons]] = {
        "geounet": ours,
        "geounet smooth": lambda case: ours(case, "smooth"),
        "pixel edges": raw,
        "Douglas-Peucker": simplified,
    }
    try:
        import buildingregulariser  # noqa: F401, PLC0415
    except ImportError:
        print("buildingregulariser is not installed: pip install buildingregulariser==0.2.5")
    else:
        known["buildingregulariser"] = regularised
    return known


def sheet(cases: list[Case], path: Path) -> None:
    """Draw examples of every case: pixels in grey, the truth in green, ours in red."""
    from matplotlib import pyplot as plt  # noqa: PLC0415

    _, axes = plt.subplots(len(cases), 10, figsize=(30, 3 * len(cases)), squeeze=False)
    for case, row in zip(cases, axes, strict=True):
        some = np.linspace(0, len(case.batch) - 1, len(row)).astype(int)
        part = Case(case.name, case.batch.take(some), case.truth[some], case.transform, case.crs)
        for axis, pixels, made, true in zip(
            row, part.batch.polygons(), ours(part), part.truth, strict=True
        ):
            axis.fill(*pixels.exterior.xy, color="0.85")
            for shape, colour in ((true, "tab:green"), (made, "tab:red")):
                for ring in (shape.exterior, *shape.interiors):
                    axis.plot(*ring.xy, color=colour, linewidth=1.2)
            axis.set_aspect("equal")
            axis.axis("off")
            axis.invert_yaxis()
        row[0].set_title(case.name, loc="left")
    plt.tight_layout()
    plt.savefig(path, dpi=60)


def cases(asked: argparse.Namespace) -> Iterator[Case]:
    """Yield the cases that were asked for."""
    size = asked.count, asked.seed
    yield drawn("mild", MIX, 1.6, 0.22, size)
    yield drawn("hard", MIX, 2.5, 0.45, size)
    yield drawn("chamfered, round", ROUNDISH, 1.6, 0.22, size)
    if asked.data is not None:
        for name in ("banepa", "kampala"):
            place = asked.data / f"hot_{name}"
            yield real(place, 1.6, 0.22, asked.seed)
            for mask in asked.found or ():
                if mask.stem.startswith(name):
                    yield found(mask, place)


def main() -> None:
    """Print a row for every contender in every case, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--data", type=Path, help="folder with hot_banepa and hot_kampala")
    parser.add_argument("--found", type=Path, nargs="*", help="class rasters PLACE….tif of a model")
    parser.add_argument("--sheet", type=Path, help="picture of examples to write")
    asked = parser.parse_args()
    known, rows, seen_cases = contenders(), [], []
    for case in cases(asked):
        seen_cases.append(case)
        for name, contender in known.items():
            rows.append(figures(case, name, contender))
            print(json.dumps(rows[-1]), flush=True)
    names = [key for key in rows[0] if key != "objects"]
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(str(row[key]) for key in names) + " |")
    if asked.sheet is not None:
        sheet(seen_cases, asked.sheet)


if __name__ == "__main__":
    main()
