"""What a reader of the documents has at hand: small files with the names that the pages use."""

from __future__ import annotations

import json
import shutil

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from pages import ROOT
from PIL import Image
from rasterio.features import rasterize
from rasterio.windows import Window

GRADES = ("none", "minor", "major", "destroyed")


def write(path, pixels, transform_, crs="EPSG:32633", **profile):
    """Write an array as a GeoTIFF."""
    count, height, width = pixels.shape
    shape = {"count": count, "height": height, "width": width, "dtype": pixels.dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs=crs, transform=transform_, **shape, **profile
    ) as out:
        out.write(pixels)


def furnish(folder):
    """Write small files with the names that the pages use for the reader's own."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    window = Window(128, 128, 256, 256)
    with rasterio.open(ROOT / "sample_data" / "town.tif") as town:
        pixels, place = town.read(window=window), town.transform @ Affine.translation(128, 128)
    box = (*(place @ (0, 256)), *(place @ (256, 0)))
    roofs = geopandas.read_file(ROOT / "sample_data" / "town_truth.gpkg").clip(box)
    for name in ("big", "town", "ortho"):
        write(folder / f"{name}.tif", pixels, place)
    for name in ("roofs", "truth"):
        roofs.to_file(folder / f"{name}.gpkg", layer="buildings")
    infrared = np.stack([pixels[0], *pixels]).astype("uint16") * 40
    write(folder / "sixteen.tif", infrared, place)
    fine = np.kron(pixels[:, :128, :128], np.ones((1, 3, 3), "uint8"))
    write(folder / "drone.tif", fine, place @ Affine.scale(1 / 3))
    district = shapely.box(*(place @ (20, 100)), *(place @ (100, 20)))
    geopandas.GeoSeries([district], crs=roofs.crs).to_file(folder / "district.gpkg")
    survey = folder / "survey"
    survey.mkdir()
    for at, name in enumerate(("west", "east")):
        half = pixels[:, :, 128 * at : 128 * at + 128]
        write(survey / f"{name}.tif", half, place @ Affine.translation(128 * at, 0))
    shutil.copytree(survey, folder / "sheets")
    furnish_storm(folder)
    furnish_photos(folder, pixels[:, :64, :64])


def furnish_storm(folder):
    """Write a storm's images, its houses, a few grades, and a map of grades."""
    for date in ("pre", "post"):
        shutil.copy(ROOT / "sample_data" / f"storm_{date}.tif", folder / f"{date}.tif")
    shutil.copy(ROOT / "sample_data" / "storm_truth.gpkg", folder)
    houses = geopandas.read_file(ROOT / "sample_data" / "storm_truth.gpkg")
    houses.drop(columns="damage").to_file(folder / "houses.gpkg")
    graded = houses.groupby("damage").head(4)
    rows = [f"{at},{grade}" for at, grade in zip(graded.index, graded.damage, strict=True)]
    (folder / "graded.csv").write_text("\n".join(["id,label", *rows]))
    with rasterio.open(folder / "pre.tif") as pre:
        shapes = (
            (each, 1 + GRADES.index(grade))
            for each, grade in zip(houses.geometry, houses.damage, strict=True)
        )
        map_ = rasterize(shapes, pre.shape, transform=pre.transform, dtype="uint8")
        write(folder / "damage.tif", map_[None], pre.transform)


def furnish_photos(folder, pixels):
    """Write pictures without a place, and what was drawn on them, in several kinds of files."""
    mask = np.zeros(pixels.shape[1:], "uint8")
    mask[10:30, 20:40] = 255
    for name, drawn in (
        ("photos/town.png", np.moveaxis(pixels, 0, -1)),
        *((f"{place}/town.png", mask) for place in ("found", "labels")),
        ("cells.png", np.moveaxis(pixels, 0, -1)),
        ("grey.png", pixels[0]),
        *((f"labelled/images/{at}.png", np.moveaxis(pixels, 0, -1)) for at in range(4)),
        *((f"labelled/masks/{at}.png", mask) for at in range(4)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn).save(folder / name)
    corners = {"all_points_x": [20, 40, 40, 20], "all_points_y": [10, 10, 30, 30]}
    region = {"shape_attributes": {"name": "polygon", **corners}, "region_attributes": {}}
    via = {"town": {"filename": "town.png", "size": -1, "regions": [region]}}
    (folder / "regions.json").write_text(json.dumps(via))
    (folder / "few.csv").write_text("id,label\n0,roofs\n1,roofs\n2,trees\n3,trees\n")
    (folder / "labels.csv").write_text("ImageId,EncodedPixels\ntown,11 20 75 20\n")
