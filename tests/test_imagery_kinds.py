"""Rules of imagery that differs from what the bundled model knows: used alike, or refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from geounet.cli.main import main
from rasterio.enums import Resampling
from rasterio.windows import Window

from geounet import prepare
from geounet.card import ModelCard
from geounet.errors import RasterError
from geounet.fit import named_bands
from geounet.raster import open_raster

TOWN = Path(__file__).parents[1] / "sample_data" / "town.tif"
CORNER = Window(120, 230, 288, 240)
CARD = ModelCard(name="m", network="unet")


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run beside each other: one thread each."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def town():
    """A corner of the sample town, `(3, height, width)`, and its transform."""
    with rasterio.open(TOWN) as source:
        return source.read((1, 2, 3), window=CORNER), source.transform @ Affine.translation(
            CORNER.col_off, CORNER.row_off
        )


@pytest.fixture(scope="module")
def usual(town, tmp_path_factory):
    """The corner as three bytes a pixel, and its mask."""
    folder = tmp_path_factory.mktemp("usual")
    return predicted(written(folder / "a.tif", town[0], town[1], photometric="RGB"), folder)


def written(path, pixels, transform, names=None, **profile):
    """Write a raster in the sample town's place."""
    profile |= {"driver": "GTiff", "crs": "EPSG:32633", "transform": transform}
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", count=count, height=height, width=width, dtype=pixels.dtype, **profile
    ) as target:
        target.write(pixels)
        if names:
            target.descriptions = names
    return path


def predicted(path, folder, *words):
    """Where the command line finds buildings."""
    mask = folder / "mask.tif"
    out = ["-o", str(folder / "o.gpkg"), "--mask", str(mask), "-f", "-q", "--threads", "1"]
    assert main(["predict", str(path), *out, *words]) == 0
    with rasterio.open(mask) as found:
        return found.read(1) == 1


def iou(one, other):
    """Intersection over union of two masks."""
    return (one & other).sum() / (one | other).sum()


def test_a_fourth_band_changes_nothing(town, usual, tmp_path, capsys):
    """RGB + NIR in any order, when the file names its bands; what is taken is said in one line."""
    near = 255 - town[0][:1]
    path = tmp_path / "four.tif"
    pixels = np.concatenate([near, town[0][::-1]])
    written(path, pixels, town[1], names=("NIR", "Blue", "Green", "Red"))
    assert np.array_equal(predicted(path, tmp_path), usual)
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("takes bands 4,3,2, which the file calls red, green, blue; "
                         "--bands chooses others")  # fmt: skip


def test_sixteen_bits_and_floats_give_the_same_once_scaled(town, usual, tmp_path, capsys):
    """Refused with a ready --scale; with the true one the same buildings, with that much alike."""
    path = written(tmp_path / "u.tif", town[0].astype(np.uint16) * 16, town[1])
    assert main(["predict", str(path), "-o", str(tmp_path / "x.gpkg")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    ready = line.rsplit(" ", 1)[1]
    assert line.endswith(f"such as --scale {ready}")
    assert iou(predicted(path, tmp_path, "--scale", "0,4080"), usual) > 0.999
    assert iou(predicted(path, tmp_path, "--scale", ready), usual) > 0.9
    path = written(tmp_path / "f.tif", (town[0] / 255).astype(np.float32), town[1])
    assert iou(predicted(path, tmp_path, "--scale", "none"), usual) > 0.999


@pytest.mark.parametrize(("finer", "least"), [(3, 0.95), (0.6, 0.9)])
def test_another_gsd_gives_the_same_buildings(town, usual, tmp_path, finer, least):
    """0.1 and 0.5 m are brought to the model's 0.3 m: the same town, found alike."""
    pixels, transform = town
    shape = tuple(round(extent * finer) for extent in pixels.shape[1:])
    source = written(tmp_path / "s.tif", pixels, transform, photometric="RGB")
    how = Resampling.bilinear if finer > 1 else Resampling.average
    with rasterio.open(source) as wide:
        other = wide.read(out_shape=(3, *shape), resampling=how)
    path = written(tmp_path / "g.tif", other, transform @ Affine.scale(1 / finer))
    found = predicted(path, tmp_path)
    rows, cols = (min(a, b) for a, b in zip(found.shape, usual.shape, strict=True))
    assert iou(found[:rows, :cols], usual[:rows, :cols]) > least


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("four", r"has 4 bands, .* expects 3 \(red, green, blue\);.* such as --bands 1,2,3"),
        ("grey", r"has 1 band, .* is needed; to try it all the same, pass --bands 1,1,1"),
        ("infrared", r"calls its bands nir, red, green, .* expects red, green, blue; .*1,2,3"),
        ("coarse", r"10 m a pixel is too coarse .*; to try it all the same, use --gsd native"),
        ("float", r"pixels are float64, model buildings expects uint8; .* such as --scale \d"),
    ],
)
def test_what_the_model_does_not_know_is_refused(town, tmp_path, capsys, kind, words):
    """One line with the cure, exit 2."""
    pixels, transform = town
    pixels, options = {
        "four": (np.concatenate([pixels, pixels[:1]]), {"photometric": "MINISBLACK"}),
        "grey": (pixels[:1], {}),
        "infrared": (pixels, {"names": ("NIR", "Red", "Green")}),
        "coarse": (pixels, {"photometric": "RGB"}),
        "float": (pixels / 7, {}),
    }[kind]
    if kind == "coarse":
        transform = Affine(10, 0, 5e5, 0, -10, 5e6)
    path = written(tmp_path / f"{kind}.tif", pixels, transform, **options)
    assert main(["predict", str(path), "-o", str(tmp_path / "o.gpkg")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(words, line), line
    assert not (tmp_path / "o.gpkg").exists()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("red", "green", "blue", "nir"), (1, 2, 3)),
        (("Blue", "Green", "Red", "NIR"), (3, 2, 1)),
        (("B", "G", "R", "N"), (3, 2, 1)),
        (("Band Red", "Green band", "BLUE", "x"), (1, 2, 3)),
        (("red", "green", "blue", "red"), None),  # which one?
        (("red edge", "green", "blue", "nir"), None),
        (("x", "y", "z", "w"), None),
        (None, None),
    ],
)
def test_bands_are_known_by_their_names(tmp_path, names, expected):
    """Descriptions count before colours; each must be named once."""
    pixels = np.ones((4, 8, 8), np.uint8)
    profile = {} if names else {"photometric": "MINISBLACK"}
    path = written(tmp_path / "n.tif", pixels, Affine(1, 0, 5e5, 0, -1, 5e6), names, **profile)
    with open_raster(path) as reader:
        assert reader.info.count == 4
        assert named_bands(reader.info, CARD) == expected


def test_a_raster_that_is_refused_is_closed(tmp_path, monkeypatch):
    """Its handle is given back although nobody else knows of it yet."""
    pixels = np.full((3, 32, 32), 90, np.uint8)
    names = ("NIR", "Red", "Green")
    path = written(tmp_path / "a.tif", pixels, Affine(0.3, 0, 5e5, 0, -0.3, 5e6), names=names)
    opened = []

    def opening(*words, _open=prepare.open_imagery, **options):
        reader = _open(*words, **options)
        close = reader.close
        monkeypatch.setattr(reader, "close", lambda: opened.remove(reader) or close())
        opened.append(reader)
        return reader

    monkeypatch.setattr(prepare, "open_imagery", opening)
    with pytest.raises(RasterError, match="calls its bands"):
        prepare.read(path, CARD, prepare.InferenceOptions())
    assert not opened


def test_an_alpha_band_stays_one(tmp_path):
    """Whether GDAL alone calls it so, or the file too."""
    pixels = np.ones((4, 8, 8), np.uint8)
    for names in (None, ("red", "green", "blue", "Alpha")):
        path = written(tmp_path / "n.tif", pixels, Affine(1, 0, 5e5, 0, -1, 5e6), names)
        with open_raster(path) as reader:
            assert reader.info.bands == (1, 2, 3)


def test_bands_of_other_names_are_not_taken_for_the_models(tmp_path):
    """Colour infrared has three bands too."""
    path = written(
        tmp_path / "n.tif", np.ones((3, 8, 8), np.uint8), Affine(1, 0, 5e5, 0, -1, 5e6),
        ("NIR", "Red", "Green"),
    )  # fmt: skip
    with (
        open_raster(path) as reader,
        pytest.raises(RasterError, match=r"calls its bands nir, red, green.*--bands 1,2,3"),
    ):
        named_bands(reader.info, CARD)
