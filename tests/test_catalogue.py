"""Rules of the named networks: what each is, and what every one of them can do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from geounet.backends.export import export_onnx
from geounet.backends.fold import folded
from geounet.backends.torch import TorchStep
from geounet.card import ModelCard
from geounet.errors import ModelError
from geounet.model import Segmenter, load_model, save_model
from geounet.networks import layers
from geounet.networks.blocks import Same
from geounet.networks.catalogue import NETWORKS
from geounet.networks.field import Sight, sight
from geounet.networks.memory import bytes_per_pixel
from geounet.networks.registry import (
    bottleneck,
    build,
    excludes,
    parameter_count,
    probability,
    total_stride,
)

COUNTS = {
    ("coastal", 3): 13_775_489,
    ("nuclei", 3): 31_055_297,
    ("workshop", 3): 1_941_105,
    ("workshop", 1): 1_940_817,
    ("workshop-first", 3): 609_969,
    ("elu", 3): 7_858_433,
    ("separable", 3): 2_058_979,
    ("light", 1): 902_593,
    ("unetplusplus", 3): 9_053_220,
    ("field", 3): 1_624_561,
    ("unet", 3): 1_744_049,
}
"""Parameters as Keras counts them, by name and bands, from the publications where there are any."""


def narrow(name, **options):
    """A named network with few filters: its layers, strides and field, at little work."""
    named = NETWORKS[name]
    if named.family in ("unet", "nested"):
        levels = len(named.options.get("filters", (32, 64, 128, 256)))
        stem = 2 if named.options.get("stem", 16) else 0
        options = {"filters": (3,) * levels, "stem": stem, **options}
    if named.family == "separable":
        options = {"stem": 2, "down": (3,) * 3, "up": (3,) * 4, **options}
    torch.manual_seed(0)
    return build(name, options).eval()


def tile(network, times=2):
    """Random pixels of a size the network takes."""
    size = times * total_stride(network)
    chance = torch.Generator().manual_seed(1)
    return torch.randn(2, network.options.bands, size, 3 * size, generator=chance)


@pytest.mark.parametrize(("name", "bands"), COUNTS)
def test_parameters_are_those_of_the_publication(name, bands):
    """Each named network has exactly as many parameters as Keras counted."""
    with torch.device("meta"):
        assert parameter_count(build(name, {"bands": bands})) == COUNTS[name, bands]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_catalogue_says_what_is_measured(name):
    """Parameters, stride and field of the catalogue are those of the network."""
    named = NETWORKS[name]
    with torch.device("meta"):
        whole = build(name, {})
    assert parameter_count(whole) == named.parameters
    assert total_stride(whole) == named.stride
    network = narrow(name)
    assert sight(network, network.options.bands) == Sight(named.field, named.stride)


@pytest.mark.parametrize("name", NETWORKS)
def test_bands_and_classes_are_anybodys(name):
    """Logits have the input's size and a map a class, whatever the bands."""
    network = narrow(name, bands=5, classes=4)
    pixels = tile(network)
    with torch.inference_mode():
        assert network(pixels).shape == (2, 4, *pixels.shape[-2:])


@pytest.mark.parametrize("name", NETWORKS)
def test_evaluation_is_deterministic(name):
    """Noise and dropout rest in evaluation: the same pixels give the same logits."""
    network = narrow(name)
    pixels = tile(network)
    with torch.inference_mode():
        assert torch.equal(network(pixels), network(pixels))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns(name):
    """In training a gradient reaches each parameter; with deep supervision through a tuple."""
    network = narrow(name).train()
    maps = network(tile(network, 4))
    several = isinstance(maps, tuple)
    assert several == bool(getattr(network.options, "deep_supervision", False))
    sum((each**2).sum() for each in (maps if several else (maps,))).backward()
    assert all(each.grad is not None for each in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_and_onnx_keep_the_maps(name):
    """The folded network and its graph give the probabilities of the network itself."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    network = narrow(name)
    for module in network.modules():  # a fresh normalisation would be folded into nothing
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    segmenter = Segmenter(card_of(network, name), network)
    pixels = tile(network, 4)
    with torch.inference_mode():
        maps = network.options.classes
        expected = probability(network(pixels), maps, excludes=excludes(network))
        folds = probability(
            folded(network, network.options.bands)(pixels), maps, excludes=excludes(network)
        )
    session = runtime.InferenceSession(export_onnx(segmenter), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pixels": pixels.numpy()})
    assert np.abs(found - expected.numpy()).max() < 1e-4
    assert float((folds - expected).abs().max()) < 1e-4


def card_of(network, name):
    """A card that fits a network."""
    bands, classes = network.options.bands, network.options.classes
    return ModelCard(
        name=name,
        network=name,
        bands=tuple(f"band {n}" for n in range(bands)),
        mean=(0.5,) * bands,
        std=(0.25,) * bands,
        classes=tuple(f"class {n}" for n in range(classes)),
        layers=tuple(f"layer {n}" for n in range(classes)),
        stride=total_stride(network),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_the_bottleneck_is_where_maps_are_coarsest(name):
    """One layer is called the bottleneck; its maps are as coarse as the network gets."""
    network, seen = narrow(name), []
    found = layers.bottleneck(network, network.options.bands)
    assert network.get_submodule(found.name) is bottleneck(network)
    bottleneck(network).register_forward_hook(lambda _m, _i, out: seen.append(out.shape))
    pixels = tile(network)
    with torch.inference_mode():
        network(pixels)
    (shape,) = seen
    assert shape[-2] == pixels.shape[-2] // total_stride(network)


def test_the_coastal_bottleneck_of_a_large_tile():
    """A tile of 1024² has a bottleneck of 512 maps of 128²."""
    with torch.device("meta"):
        network, seen = build("coastal", {}).eval(), []
        bottleneck(network).register_forward_hook(lambda _m, _i, out: seen.append(out.shape))
        network(torch.zeros(1, 3, 1024, 1024))
    assert seen == [(1, 512, 128, 128)]


@pytest.mark.parametrize("name", ["smp:Unet/resnet18", "smp:FPN/mobilenet_v2"])
def test_the_bottleneck_of_an_smp_network_is_its_encoders_last_feature(name):
    """It is found by watching, whatever the encoder calls its layers."""
    network, seen = build(name, {"bands": 2}).eval(), []
    bottleneck(network).register_forward_hook(lambda _m, _i, out: seen.append(out))
    pixels = torch.randn(1, 2, 64, 64)
    with torch.inference_mode():
        network(pixels)
        assert torch.equal(seen[0], network.encoder(pixels)[-1])


def test_what_has_no_bottleneck_says_so():
    """A module that is no network of ours has no layer of that name."""
    with pytest.raises(ModelError, match="Conv2d has no bottleneck; name a layer"):
        bottleneck(nn.Conv2d(1, 1, 1))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_same_padding_is_that_of_keras(kernel):
    """As large as the input; an even kernel looks one pixel farther right and down."""
    layer = Same(1, 1, kernel, bias=False)
    nn.init.ones_(layer.weight)
    pixels = torch.zeros(1, 1, 11, 11)
    pixels[..., 5, 5] = 1
    low, high = (kernel - 1) // 2, kernel // 2
    rows = layer(pixels)[0, 0, 5].nonzero().flatten()
    assert rows.tolist() == list(range(5 - high, 5 + low + 1))


def test_noise_and_dropout_are_for_training():
    """In training two passes differ, by the noise of the options alone."""
    network = narrow("elu", noise=0.5).train()
    pixels = torch.zeros(4, 3, 64, 64)
    noise = network.noise(pixels)
    assert not torch.equal(noise, network.noise(pixels))
    assert float(noise.std()) == pytest.approx(0.5, rel=0.02)
    assert torch.equal(narrow("elu").noise(pixels), pixels)


def test_a_softmax_head_shares_a_pixel_among_classes(tmp_path):
    """Probabilities of a pixel add up to one, in the step and from a file."""
    network = narrow("separable", classes=3)
    path = tmp_path / "three.safetensors"
    save_model(path, Segmenter(card_of(network, "separable"), network).with_card(
        network_options={"stem": 2, "down": (3,) * 3, "up": (3,) * 4}
    ))  # fmt: skip
    step = TorchStep(load_model(path), device="cpu", threads=1)
    raw = np.random.default_rng(0).integers(0, 255, (1, 3, 32, 32), dtype=np.uint8)
    p = step(raw, np.ones((1, 32, 32), bool))["probability"]
    assert np.allclose(p.sum(1), 1, atol=1e-5)
    assert p.min() > 0


def test_residual_blocks_add_what_goes_in():
    """With weights of zero a residual block hands its input on."""
    network = build("unet", {"stem": 0, "filters": (3,), "residual": True, "normalise": False})
    for each in network.encoder[0].body.parameters():
        nn.init.zeros_(each)
    pixels = torch.rand(1, 3, 8, 8)
    assert torch.equal(network.encoder[0](pixels), pixels)


def test_field_does_less_than_the_bundled_network():
    """At most 0.6 of its floating-point operations, at a field and stride no larger."""
    ours, bundled = NETWORKS["field"], NETWORKS["unet"]
    assert (ours.field, ours.stride) <= (bundled.field, bundled.stride)
    assert flops("field") <= 0.6 * flops("unet")


def flops(name):
    """Floating-point operations a pixel."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build(name, {}).eval()(torch.zeros(1, 3, 64, 64))
    return counter.get_total_flops() / 64**2


@pytest.mark.parametrize("name", ["unet", "unetplusplus", "separable"])
def test_memory_is_measured_in_evaluation(name):
    """What lives at once is a size, with deep supervision as without."""
    network = narrow(name)
    assert bytes_per_pixel(network.train(), network.options.bands) > 0


def test_pretrained_weights_out_of_reach_are_one_line(monkeypatch):
    """Where no hub answers, the error says what to do; a file never asks for them."""
    import segmentation_models_pytorch as smp  # noqa: PLC0415

    asked, create = [], smp.create_model

    def unreachable(*names, encoder_weights, **rest):
        asked.append(encoder_weights)
        if encoder_weights:
            raise FileNotFoundError("no hub")
        return create(*names, encoder_weights=None, **rest)

    monkeypatch.setattr(smp, "create_model", unreachable)
    options = {"pretrained": "imagenet"}
    with pytest.raises(ModelError, match="'imagenet' are neither here nor to be reached; connect"):
        build("smp:Unet/resnet18", options)
    build("smp:Unet/resnet18", options, fetch=False)
    assert asked == ["imagenet", None]
    assert options == {"pretrained": "imagenet"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dropout": (0.1,)}, "dropout names 1 levels, filters 4"),
        ({"softmax": True}, "softmax needs 2 classes at least"),
        ({"up": "cubic"}, "expected transposed, nearest, bilinear"),
        ({"initial": "zeros"}, "expected he_normal, he_uniform, glorot_uniform"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, words):
    """The message says what was expected."""
    with pytest.raises(ModelError, match=words):
        build("unet", options)
