"""Where the network looked in the items nearest each centre: the very maps of `explain`."""

from __future__ import annotations

import shutil

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import torch
from affine import Affine
from geounet.cli.main import main
from PIL import Image

from geounet.activations import Activations
from geounet.card import ModelCard
from geounet.cluster import ClusterJob, cluster_embeddings
from geounet.embeddings.clusters import ClusterOptions
from geounet.embeddings.items import read_items
from geounet.embeddings.job import JobOptions, embed
from geounet.errors import GeounetWarning, ModelError, OptionError
from geounet.explain.drawn import blended
from geounet.model import Segmenter, save_model
from geounet.networks.registry import build
from geounet.prepare import opened
from geounet.preview import preview

EDGE, PATCH = 192, 32
ANY = "ignore::geounet.errors.GeounetWarning"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A raster, a small U-Net with random weights, and the table of its tiles."""
    torch.set_num_threads(1)
    torch.manual_seed(4)
    folder = tmp_path_factory.mktemp("activations")
    options = {"stem": 4, "filters": (4, 8)}
    card = ModelCard(
        name="small", network="unet", network_options=options, stride=4, receptive_field=24
    )
    save_model(folder / "small.safetensors", Segmenter(card, build("unet", options).eval()))
    pixels = np.random.default_rng(2).integers(1, 255, (3, EDGE, EDGE), np.uint8)
    pixels[:, :, : EDGE // 2] //= 8
    profile = {"driver": "GTiff", "height": EDGE, "width": EDGE, "count": 3, "dtype": "uint8"}
    place = Affine(0.3, 0, 5e5, 0, -0.3, 5e6)
    with rasterio.open(folder / "a.tif", "w", **profile, crs=32633, transform=place) as file:
        file.write(pixels)
    how = JobOptions(model=folder / "small.safetensors", patch=PATCH, backend="torch")
    embed([folder / "a.tif"], folder / "tiles.parquet", how)
    return folder


def items_of(folder, name="tiles.parquet"):
    """Return the items of a table."""
    return read_items(folder / name, ["embedding"], folder)


def maps_of(folder, items, **more):
    """Return what draws the maps of some items."""
    asked = {"model": folder / "small.safetensors", "images": None, "name": "tiles"} | more
    return Activations.of(items, **asked)


def test_the_maps_are_those_of_the_whole_scene(made, tmp_path):
    """A window with its surroundings gives what the network gives in one pass over the raster."""
    items = items_of(made)
    maps, rows = maps_of(made, items), [0, 14, 35, 20]
    pairs = maps.pairs(items, rows)
    with opened(made / "a.tif", maps.task.segmenter, maps.inference) as reader:
        cells = maps.task.cells(reader, maps.inference, tmp_path / "cells")
        pixels = preview(reader).pixels
    centres = np.arange(EDGE) + 0.5
    whole = cells.at(centres, centres)
    corners = [PATCH * np.array(divmod(row, EDGE // PATCH)) for row in rows]
    seen = [
        np.s_[max(top - 16, 0) : top + 48, max(left - 16, 0) : left + 48] for top, left in corners
    ]  # a small item is shown with what lies around it
    low, high = min(whole[at].min() for at in seen), max(whole[at].max() for at in seen)
    assert high - low > 0.01
    for number, at in enumerate(seen):
        assert (pairs[2 * number] == pixels[at]).all()
        expected = blended(pixels[at], (whole[at] - low) / (high - low))
        assert np.abs(pairs[2 * number + 1].astype(int) - expected).max() <= 1


def test_the_layer_is_that_of_the_embedding(made):
    """The bottleneck is found by its own name; a layer that was named is the one shown."""
    items = items_of(made)
    network = maps_of(made, items).task.segmenter.network
    shown = network.get_submodule(maps_of(made, items).task.layer.name)
    assert shown is network.bottleneck
    items.facts["layer"] = "decoder.0+bottleneck"
    assert "activation of decoder.0, mean of" in maps_of(made, items).words


@pytest.mark.filterwarnings(ANY)
def test_buildings_have_maps_too(made, tmp_path):
    """Items that are footprints are shown where they stand."""
    left, top = 5e5 + 12 * np.arange(4), 5e6 - 9 * np.arange(4)
    houses = gpd.GeoDataFrame(geometry=shapely.box(left, top - 8, left + 9, top), crs=32633)
    houses.to_file(tmp_path / "houses.gpkg")
    how = {"model": made / "small.safetensors", "backend": "torch"}
    named = JobOptions(**how, buildings=tmp_path / "houses.gpkg")
    embed([made / "a.tif"], tmp_path / "houses.parquet", named)
    job = ClusterJob(how=ClusterOptions(k=2, kmax=3), activations=True, model=how["model"])
    said = cluster_embeddings(tmp_path / "houses.parquet", tmp_path / "out", job)
    assert str(tmp_path / "out" / "activations.png") in said["out"]
    layer = gpd.read_file(tmp_path / "out" / "clusters.gpkg", layer="clusters")
    assert layer["source_fid"].tolist() == [1, 2, 3, 4]


@pytest.mark.filterwarnings(ANY)
def test_the_sheet_has_two_pictures_an_item(made, tmp_path):
    """The command draws up to four pairs a cluster, and the page shows the sheet."""
    words = ["cluster", made / "tiles.parquet", "-o", tmp_path / "out", "--k", 2, "--kmax", 3]
    words += ["--activations", "--model", made / "small.safetensors", "-q"]
    assert main(list(map(str, words))) == 0
    with Image.open(tmp_path / "out" / "activations.png") as sheet:
        assert sheet.size[0] > 8 * 100
        assert np.asarray(sheet).std() > 20
    assert 'alt="activations"' in (tmp_path / "out" / "scatter.html").read_text(encoding="utf-8")


def test_a_raster_that_moved_is_found_by_its_folder(made, tmp_path):
    """`--images` names where the rasters are now; another one in its place is told."""
    items = items_of(made)
    items.facts["inputs"] = ["/gone/a.tif 1 1"]
    with pytest.raises(OptionError, match=r"^/gone/a\.tif: the raster .* --images$"):
        maps_of(made, items)
    with pytest.raises(OptionError, match=r"a\.tif: the raster .* is not there"):
        maps_of(made, items, images=tmp_path)
    shutil.copy(made / "a.tif", tmp_path)
    with pytest.warns(GeounetWarning, match=r"is not the raster that was embedded \(1 bytes\)"):
        found = maps_of(made, items, images=tmp_path)
    assert found.rasters == {"a.tif": tmp_path / "a.tif"}


def test_what_has_no_maps_is_refused_in_one_line(made, tmp_path, capsys):
    """Vectors alone, an unknown model, two rasters of one name, options without effect."""
    np.save(tmp_path / "plain.npy", np.random.default_rng(0).normal(size=(9, 4)))
    out, table = tmp_path / "out", made / "tiles.parquet"
    for words, told in (
        ([tmp_path / "plain.npy", "--activations"], "does not say of which rasters it is"),
        ([table, "--activations"], "--model"),
        ([table, "--activations", "--model", tmp_path / "no.safetensors"], "no.safetensors"),
        ([table, "--images", tmp_path], "--images and --model serve --activations"),
    ):
        assert main(["cluster", *map(str, words), "-o", str(out), "-q"]) != 0
        said = capsys.readouterr().err
        assert told in said
        assert said.count("\n") == 1
        assert not out.exists()
    items = items_of(made)
    items.facts["inputs"] = ["/one/a.tif 1 1", "/two/a.tif 1 1"]
    with pytest.raises(OptionError, match="two rasters of the embeddings have one name"):
        maps_of(made, items)
    items = items_of(made)
    with pytest.raises(ModelError, match=r"small.*--model"):
        maps_of(made, items, model=None)


def test_a_table_of_embed_keeps_its_place(made):
    """The CRS and the provenance that `geounet embed` wrote are read again."""
    items = items_of(made)
    assert items.crs.to_epsg() == 32633
    assert items.facts["model"] == "small"
    assert len(items.facts["inputs"]) == 1
