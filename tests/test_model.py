"""Rules of the model file and its card."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from geounet.backends.golden import golden_difference, golden_output
from geounet.backends.torch import TorchStep, best_device
from geounet.card import ModelCard
from geounet.errors import ModelError
from geounet.model import Segmenter, bundled_models, load_model, read_card, save_model
from geounet.modelfile import CARD_KEY
from geounet.networks.registry import build


@pytest.fixture
def segmenter():
    """A small network under a card."""
    torch.manual_seed(0)
    options = {"stem": 4, "filters": (4, 8)}
    network = build("unet", options).eval()
    card = ModelCard(name="small", network="unet", network_options=options, stride=4)
    return Segmenter(card, network)


def test_a_saved_model_comes_back_whole(segmenter, tmp_path):
    """Card, weights and golden tile survive the file."""
    path = tmp_path / "small.safetensors"
    pixels = np.random.default_rng(0).integers(0, 255, (3, 16, 16), dtype=np.uint8)
    save_model(path, segmenter, (pixels, golden_output(segmenter, pixels)))
    loaded = load_model(path)
    assert loaded.card == read_card(path)
    assert json.loads(loaded.card.to_json()) == json.loads(segmenter.card.to_json())
    for name, value in segmenter.network.state_dict().items():
        assert torch.equal(value, loaded.network.state_dict()[name])
    assert golden_difference(path) == 0


def test_a_pickle_is_refused_and_never_run(tmp_path):
    """A file that would run code when unpickled is not opened as a model."""
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (marker.touch, ())

    path = tmp_path / "evil.safetensors"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match=r"not a readable \.safetensors file"):
        load_model(path)
    assert not marker.exists()


def _file(path, metadata):
    save_file({"x": np.zeros(1, np.float32)}, path, metadata)
    return path


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, "no geounet model card"),
        ({CARD_KEY: "{"}, "cannot be understood"),
        ({CARD_KEY: "[1]"}, "unknown entry|cannot be understood"),
        ({CARD_KEY: '{"name": "x"}'}, "cannot be understood"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "colour": 1}'}, "unknown entry 'colour'"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "mean": [1]}'}, "3 bands but 1 means"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "threshold": 2}'}, "between 0 and 1"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "gsd": 0}'}, "positive"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "stride": 16}'}, "do not fit network unet"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "gsd": NaN}'}, "expected finite"),
        (
            {CARD_KEY: '{"name": "x", "network": "unet", "input_range": [0]}'},
            "expected a number, a number",
        ),
        ({CARD_KEY: '{"name": "x", "network": "unet", "classes": ["a", "b"]}'}, "as many layers"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "layers": ["coverage"]}'}, "as many layers"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "receptive_field": -1}'}, "must be sizes"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "min_area_m2": "1"}'}, "expected a number"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "seams": {"a": 1}}'}, "seams must map"),
        ({CARD_KEY: '{"name": "x", "network": "unet", "seams": [1]}'}, "expected a table"),
        ({CARD_KEY: '{"name": "x", "network": 5}'}, "expected a text"),
        (
            {CARD_KEY: '{"name": "x", "network": "unet", "network_options": {"filters": ["a"]}}'},
            "cannot be built",
        ),
        (
            {CARD_KEY: '{"name": "x", "network": "unet", "network_options": {"classes": 2}}'},
            "card has 1 classes, its network 2 maps",
        ),
        (
            {CARD_KEY: '{"name": "x", "network": "unet", "network_options": {"bands": 4}}'},
            "card has 3 bands, its network takes 4",
        ),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, metadata, words):
    """One line says what is wrong with it."""
    with pytest.raises(ModelError, match=words):
        load_model(_file(tmp_path / "x.safetensors", metadata))


def test_a_model_file_sends_nobody_to_the_network(tmp_path, monkeypatch):
    """A card may ask for weights of others; they are never fetched, the file has its own."""
    import segmentation_models_pytorch as smp  # noqa: PLC0415

    asked, create = [], smp.create_model

    def watched(*names, **rest):
        asked.append(rest["encoder_weights"])
        return create(*names, **rest)

    monkeypatch.setattr(smp, "create_model", watched)
    for word in ("encoder_weights", "pretrained"):
        card = ModelCard(name="x", network="smp:Unet/resnet18", network_options={word: "imagenet"})
        with pytest.raises(ModelError, match="weights do not fit"):  # the file holds another's
            load_model(_file(tmp_path / "x.safetensors", {CARD_KEY: card.to_json()}))
    assert asked == [None, None]


def test_a_model_file_is_as_open_as_any_other(segmenter, tmp_path):
    """Others may read what the umask lets them."""
    save_model(tmp_path / "small.safetensors", segmenter)
    (tmp_path / "plain").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_missing_model_names_the_bundled_ones():
    """An unknown name is answered with the known ones."""
    with pytest.raises(ModelError, match=r"no model 'housez'; bundled: .*\.safetensors"):
        load_model("housez")


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_a_bundled_model_computes_its_golden_tile(name):
    """This machine gives what the model's maker got, within three of 254 steps."""
    assert golden_difference(name) <= 3
    assert bundled_models()[name].stat().st_size <= 25e6
    card = read_card(name)
    assert card.training["data"]
    assert card.metrics
    assert card.receptive_field is not None


def test_nodata_is_filled_with_the_mean(segmenter):
    """What is not valid enters the network as 0 after scaling, be it NaN or a marker."""
    seen = []
    step = TorchStep(segmenter, device="cpu")
    step._network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    pixels = np.full((1, 3, 8, 8), 255, np.float32)
    pixels[..., 0] = np.nan
    valid = np.ones((1, 8, 8), bool)
    valid[..., 0] = False
    step(pixels, valid)
    assert (seen[0][..., 0] == 0).all()
    assert torch.allclose(seen[0][..., 1:], torch.tensor((1 - 0.5) / 0.25))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_raw_pixels_are_scaled_by_the_cards_range(segmenter, dtype):
    """The same light gives the same probability whatever the pixel type."""
    raw = np.random.default_rng(1).integers(0, 255, (1, 3, 8, 8))
    valid = np.ones((1, 8, 8), bool)
    expected = TorchStep(segmenter, device="cpu")(raw.astype(np.uint8), valid)["probability"]
    scaled = TorchStep(segmenter.with_card(input_range=(0, 2550)), device="cpu")
    found = scaled((raw * 10).astype(dtype), valid)["probability"]
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("device", ["cuda:99", "cuda:x", "cuda:-1", "cpu:x", "tpu", ""])
def test_a_device_that_is_not_there_is_refused(device):
    """Nobody gets another device than asked for."""
    with pytest.raises(ModelError, match="not available here; try --device cpu"):
        best_device(device)
