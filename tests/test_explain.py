"""Rules of Grad-CAM and activation maps: the same numbers however the scene is tiled."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from fakes import FakeReader
from geounet.cli.main import main
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning
from torch import nn

from geounet.card import ModelCard
from geounet.errors import ModelError, OptionError, TargetError
from geounet.explain.drawn import COLOURS, coloured
from geounet.explain.job import explain
from geounet.explain.layers import find_layer
from geounet.explain.scene import Cells
from geounet.explain.steps import GradientStep
from geounet.explain.task import ExplainOptions, Task
from geounet.model import Segmenter, save_model
from geounet.networks.layers import Layer, list_layers
from geounet.networks.registry import build
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions

HEAD = np.array([3.0, -1.0])
BIAS = -1.0


class Known(nn.Module):
    """Two channels of 2 × 2 cells, the mean and the upper left pixel; the logit is 3a - b - 1."""

    stride = 2

    def __init__(self):
        """Set the weights."""
        super().__init__()
        self.cells = nn.Conv2d(1, 2, 2, 2, bias=False)
        self.head = nn.Conv2d(2, 1, 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        with torch.no_grad():
            self.cells.weight[0], self.cells.weight[1] = 0.25, 0
            self.cells.weight[1, 0, 0, 0] = 1
            self.head.weight[0, :, 0, 0] = torch.tensor(HEAD)
            self.head.bias[:] = BIAS

    def forward(self, pixels):
        return self.up(self.head(self.cells(pixels)))


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run beside each other: one thread each."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def known():
    """The network whose answer is known by hand; raw pixels are what it sees."""
    card = ModelCard(
        name="known", network="known", bands=("grey",), input_range=(0, 1), mean=(0,), std=(1,),
        stride=2, receptive_field=1, threshold=0.5, gsd=0.5,
    )  # fmt: skip
    return Segmenter(card, Known().eval())


@pytest.fixture(scope="module")
def unet():
    """A small U-Net with random weights, which looks 24 pixels around at most."""
    torch.manual_seed(4)
    options = {"stem": 4, "filters": (4, 8)}
    card = ModelCard(
        name="small", network="unet", network_options=options, stride=4, receptive_field=24
    )
    return Segmenter(card, build("unet", options).eval())


def scene(height, width, bands=1, seed=0):
    """Pixels between 0 and 3 with a corner and a hole without data."""
    pixels = np.random.default_rng(seed).integers(0, 4, (bands, height, width), dtype=np.uint8)
    valid = np.ones((height, width), bool)
    valid[:7, :9] = False
    valid[20:23, 30:31] = False
    return FakeReader(pixels, valid)


def by_hand(reader):
    """Weights and map of the known network, in numpy, from the definition."""
    high, wide = (extent // 2 for extent in reader.info.shape)
    valid = reader._valid.reshape(high, 2, wide, 2)
    blocks = np.where(reader._valid, reader._array[0], 0).reshape(high, 2, wide, 2).astype(float)
    maps = np.stack([blocks.mean(axis=(1, 3)), blocks[:, 0, :, 0]])
    found = np.tensordot(HEAD, maps, 1) + BIAS >= 0
    holds = valid.any(axis=(1, 3))
    weights = HEAD * (found * valid.sum(axis=(1, 3)))[holds].sum() / holds.sum()
    cam = np.maximum(np.tensordot(weights, maps, 1), 0)
    return weights, np.where(holds, cam, np.nan)


def run(segmenter, reader, path, *, tile="auto", batch=1, halo="auto", **words):
    """Weights (None without Grad-CAM) and cells of a scene."""
    asked = PredictOptions(
        model=segmenter, device="cpu", plan=PlanOptions(tile=tile, batch_size=batch, halo=halo)
    )
    task = Task.of(ExplainOptions(**words), asked)
    return task.cells(reader, asked, path)


@pytest.mark.parametrize(("tile", "batch"), [("auto", 1), (16, 1), (24, 3), (40, 2)])
def test_grad_cam_is_what_one_works_out_by_hand(known, tmp_path, tile, batch):
    """Weights are means over the scene's cells that hold data; tiles and batches don't matter."""
    reader = scene(62, 94)
    expected = by_hand(reader)[1]
    found = run(known, reader, tmp_path / "cells", tile=tile, batch=batch, layer="cells")
    assert np.array_equal(np.isnan(found.values), np.isnan(expected))
    assert np.nanmax(np.abs(found.values - expected)) <= 1e-5 * np.nanmax(expected)
    assert found.low == 0
    assert found.high == pytest.approx(np.nanmax(expected))


def test_weights_of_single_tiles_would_not_do(known, tmp_path):
    """A scene of two halves, one of them dark: weighed by themselves they would look alike."""
    reader = scene(64, 64)
    reader._array[:, :, 32:] = 0
    whole = by_hand(reader)[0]
    half = by_hand(FakeReader(reader._array[..., :32], reader._valid[:, :32]))[0]
    assert abs(whole[0] / half[0] - 1) > 0.3
    expected = by_hand(reader)[1]
    found = run(known, reader, tmp_path / "cells", tile=16, layer="cells").values
    assert np.nanmax(np.abs(found - expected)) <= 1e-5 * np.nanmax(expected)


@pytest.mark.parametrize("layer", ["encoder.1", "decoder.0", "head"])
@pytest.mark.parametrize("channel", [None, "mean", 0])
def test_a_map_does_not_depend_on_tiles(unet, tmp_path, layer, channel):
    """With context twice the field, one tile over all and many small ones give the same."""
    reader = scene(90, 70, bands=3)
    reader._array[:] *= 60
    words = {"layer": layer, "channel": channel}
    tile = run(unet, reader, tmp_path / "a", tile=192, **words)
    for number, (edge, batch) in enumerate([(104, 2), (120, 3)]):
        other = run(unet, reader, tmp_path / f"b{number}", tile=edge, batch=batch, **words)
        assert other.values.shape == tile.values.shape
        assert np.nanmax(np.abs(other.values - tile.values)) <= 1e-5 * (tile.high - tile.low)
    assert tile.high > tile.low


def test_gradients_have_context_twice_the_field(unet):
    """The map has as much as a prediction; a halo that was asked for is kept."""
    asked = PredictOptions(model=unet, device="cpu")
    task = Task.of(ExplainOptions(), asked)
    halos = [task.plan((900, 900), asked, back=back).grid.halo for back in (True, False)]
    assert halos == [48, 24]
    asked = replace(asked, plan=PlanOptions(halo=32))
    halos = [task.plan((900, 900), asked, back=back).grid.halo for back in (True, False)]
    assert halos == [32, 32]


def test_what_is_found_counts_and_nothing_else(known, tmp_path):
    """Where no pixel reaches the threshold the map is 0, and the user is told."""
    reader = FakeReader(np.zeros((1, 32, 32), np.uint8))
    with pytest.warns(UserWarning, match=r"no pixel reaches the threshold 0\.5"):
        found = run(known, reader, tmp_path / "cells", layer="cells")
    assert (found.values == 0).all()


def test_points_between_cells_are_linear_and_nodata_counts_nothing():
    """A plane is given back between the outermost centres; a cell without data is left out."""
    rows, cols = np.mgrid[:4, :5]
    plane = (2 * rows + 3 * cols).astype(np.float32)
    cells = Cells(plane, 4, 0.0, 18.0)
    at = cells.at(np.array([2.0, 3.5, 12.25]), np.array([2.5, 10.0, 17.75]))
    wanted = np.add.outer(2 * np.array([0, 0.375, 2.5625]), 3 * np.array([0.125, 2, 3.9375]))
    assert np.allclose(at, wanted, atol=1e-5)
    assert cells.at(np.array([0.5]), np.array([0.5]))[0, 0] == 0  # goes on beyond the centre
    plane[1, 1] = np.nan
    near = cells.at(np.array([5.0]), np.array([5.0]))
    share = np.array([0.75 * 0.25, 0.75 * 0.25, 0.0625])  # left, above, and both
    assert near[0, 0] == pytest.approx(share @ [2, 3, 0] / share.sum(), abs=1e-5)


def test_layers_are_those_with_a_map(unet, known):
    """Each with channels and stride, in order; the default is the bottleneck."""
    assert list_layers(known.network, 1) == [
        Layer("cells", 2, 2),
        Layer("head", 1, 2),
        Layer("up", 1, 1),
    ]
    assert find_layer(unet.network, 3, None) == Layer("encoder.1", 8, 4)
    with pytest.raises(ModelError, match=r"layer 'x' is unknown; .*stem, .*encoder\.0, .*head"):
        find_layer(unet.network, 3, "x")


def test_what_writes_into_its_input_is_seen_before(known, tmp_path):
    """The output of a layer is that layer's, whatever follows works in place."""

    class Writes(nn.Module):
        stride = 1

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Identity(), nn.ReLU(inplace=True)

        def forward(self, pixels):
            return self.second(self.first(pixels - 1))

    card = replace(known.card, stride=1, receptive_field=0)
    reader = FakeReader(np.arange(4, dtype=np.uint8).reshape(1, 2, 2))
    for name, low in (("first", -1), ("second", 0)):
        found = run(
            Segmenter(card, Writes().eval()), reader, tmp_path / name, layer=name, channel=0
        )
        assert found.low == low


@pytest.mark.parametrize(("softmax", "found"), [(False, True), (True, False)])
def test_a_pixel_is_found_by_what_its_logits_stand_for(known, softmax, found):
    """Where classes exclude each other, one that another outdoes is not found."""

    class Two(nn.Module):
        stride = 1

        def __init__(self):
            super().__init__()
            self.first = nn.Identity()

        def forward(self, pixels):
            seen = self.first(pixels)
            return torch.cat([seen + 1, seen], 1)

    network = Two().eval()
    network.softmax = softmax
    segmenter = Segmenter(
        replace(known.card, stride=1, receptive_field=0, classes=("a", "b"), layers=("a", "b")),
        network,
    )
    step = GradientStep(segmenter, Layer("first", 1, 1), "cpu", number=1, threshold=0.5)
    pixels = np.full((1, 1, 2, 2), 2, np.uint8)
    gradient = step(pixels, np.ones((1, 2, 2), bool))["probability"]
    assert (gradient == found).all()


def test_colours_run_from_dark_to_bright():
    """More is never darker."""
    shown = coloured(np.linspace(0, 1, 64, dtype=np.float32))
    assert (np.diff(shown.sum(axis=1)) > 0).all()
    assert np.array_equal(shown[[0, -1]], COLOURS[[0, -1]])


@pytest.fixture
def raster(make_raster):
    """A placed raster with nodata, in the known network's pixels."""
    pixels = np.random.default_rng(1).integers(1, 4, (60, 90), dtype=np.uint8)
    pixels[:10, :10] = 0
    return make_raster(pixels, nodata=0)


def test_the_raster_lies_where_its_image_does(known, raster, tmp_path):
    """A COG on the same grid: 0 to 254 stand for 0 to 1, 255 for no data; beside it a picture."""
    out = tmp_path / "cam.tif"
    done = explain(raster, out, ExplainOptions(layer="cells"), PredictOptions(model=known))
    assert done.out == (out, tmp_path / "cam.png")
    with rasterio.open(out) as cog, rasterio.open(raster) as image:
        assert (cog.crs, cog.transform, cog.shape) == (image.crs, image.transform, image.shape)
        assert cog.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (cog.nodata, cog.scales, cog.offsets) == (255, (1 / 254,), (0.0,))
        assert cog.descriptions == ("Grad-CAM of building at cells",)
        found = cog.read(1)
    assert np.array_equal(found == 255, rasterio.open(raster).read(1) == 0)
    assert found[found < 255].max() > 200
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # it is a picture
    with rasterio.open(done.out[1]) as png:
        assert png.shape == (60, 90)
        assert np.array_equal(png.read(4) == 0, found == 255)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cam.png", "cam.tif", "raster.tif"]


def test_an_activation_is_read_back_in_its_own_unit(known, raster, tmp_path):
    """Scale and offset of the file turn steps into what the layer gave."""
    out = tmp_path / "a.tif"
    options = ExplainOptions(layer="up", channel=0, overlay=tmp_path / "see.png")
    done = explain(raster, out, options, PredictOptions(model=known))
    with rasterio.open(out) as cog:
        q, (scale,), (offset,) = cog.read(1), cog.scales, cog.offsets
    blocks = rasterio.open(raster).read(1).reshape(30, 2, 45, 2).astype(float)
    logit = 3 * blocks.mean(axis=(1, 3)) - blocks[:, 0, :, 0] - 1
    expected = logit.repeat(2, 0).repeat(2, 1)
    assert np.abs((q * scale + offset - expected)[q < 255]).max() <= scale / 2 + 1e-6
    assert (done.low, done.method, done.stride) == (pytest.approx(offset), "activation", 1)
    assert options.overlay.exists()


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ({"layer": "cells", "channel": 2}, OptionError, r"channels 0 to 1, got 2"),
        ({"channel": 0, "of_class": "building"}, OptionError, "leave --class or --channel out"),
        ({"of_class": "road"}, OptionError, "no class 'road'; the model has building"),
        ({"overlay": "x.jpg"}, OptionError, "unknown kind of output"),
    ],
)
def test_what_cannot_be_explained_is_refused(known, raster, tmp_path, words, error, match):
    """One line, and nothing is written."""
    with pytest.raises(error, match=match):
        explain(raster, tmp_path / "o.tif", ExplainOptions(**words), PredictOptions(model=known))
    assert not list(tmp_path.glob("o.*"))


def test_one_network_with_its_weights_is_needed(known, raster, tmp_path):
    """Neither several models nor a graph."""
    with pytest.raises(ModelError, match="one network with its weights"):
        explain(raster, tmp_path / "o.tif", None, PredictOptions(model=(known, known)))
    (tmp_path / "o.png").touch()
    with pytest.raises(TargetError, match=r"o\.png: exists already"):
        explain(raster, tmp_path / "o.tif", None, PredictOptions(model=known))


def test_the_command_explains_a_resampled_raster(unet, make_raster, tmp_path, capsys):
    """From the command line, on the grid that is inferred; layers are listed on request."""
    save_model(tmp_path / "m.safetensors", unet)
    pixels = np.random.default_rng(2).integers(0, 255, (3, 60, 60), dtype=np.uint8)
    image = make_raster(pixels, transform=Affine(0.15, 0, 5e5, 0, -0.15, 5e6), crs="EPSG:32633")
    model = ["-m", str(tmp_path / "m.safetensors")]
    words = [str(image), *model, "--threshold", "0.4", "--threads", "1", "--json"]
    assert main(["explain", *words, "-o", str(tmp_path / "x.tif")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["layer"], told["method"], told["stride"]) == ("encoder.1", "grad-cam", 4)
    with rasterio.open(tmp_path / "x.tif") as cog:
        assert cog.shape in ((30, 30), (31, 31))  # the grid covers the last pixel
        assert CRS.from_user_input(cog.crs) == CRS.from_epsg(32633)
    assert main(["models", "show", model[1], "--layers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["encoder.1"] == {"channels": 8, "stride": 4}
    assert (
        main(["explain", str(image), *model, "-o", str(tmp_path / "y.tif"), "--channel", "x"]) == 2
    )
    assert "neither a whole number nor 'mean'" in capsys.readouterr().err
