"""Rules of the networks, their registry and the receptive-field probe."""

from __future__ import annotations

from functools import reduce

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from geounet.errors import ModelError
from geounet.networks.field import Sight, receptive_field, sight
from geounet.networks.memory import bytes_per_pixel
from geounet.networks.registry import build, parameter_count, total_stride

SMALL = {"stem": 4, "filters": (4, 8, 8)}


@pytest.mark.parametrize(
    "options",
    [
        SMALL,
        {"stem": 0, "filters": (4, 8)},
        {"stem": 4, "filters": (4,), "classes": 3, "bands": 1},
        {"filters": (4, 8), "up": "nearest", "activation": "elu", "normalise": False},
        {"filters": (4, 8), "convolutions": 1, "decoder_convolutions": 2},
        {"filters": (4, 8), "separable": True, "residual": True, "sharpen": False},
        {
            "filters": (4, 8),
            "up": "bilinear",
            "up_kernel": 3,
            "kernel": 4,
            "softmax": True,
            "classes": 2,
        },
        {"filters": (4, 8, 8), "up": "nearest", "up_kernel": 0, "decoder_convolutions": 0},
    ],
)
def test_logits_have_the_inputs_size(options):
    """Every option gives one map a class at the input's resolution."""
    network = build("unet", options).eval()
    size = 2 * total_stride(network)
    with torch.inference_mode():
        out = network(torch.zeros(2, options.get("bands", 3), size, 3 * size))
    assert out.shape == (2, options.get("classes", 1), size, 3 * size)


def test_parameters_are_counted_as_keras_counts():
    """Weights, biases and batch-norm statistics count, torch's step counters do not."""
    network = build("unet", {"stem": 0, "filters": (2,), "convolutions": 1})
    # 3×3×3×2 weights, 2 gains, 2 shifts, 2 means, 2 variances, and 2 + 1 of the head
    assert parameter_count(network) == 54 + 8 + 3


def test_the_field_of_plain_convolutions_is_their_reach():
    """Two 3 × 3 convolutions see two pixels around, a point-wise network none."""
    assert receptive_field(build("unet", {"stem": 0, "filters": (2,)}), 3) == 2
    assert receptive_field(build("pointwise", {}), 3) == 0


def conv(kernel, stride=1, *, padding=None):
    """The inputs `first … last` that outputs `first … last` of a convolution or pooling read."""
    padding = kernel // 2 if padding is None else padding
    return lambda span: (span[0] * stride - padding, span[1] * stride - padding + kernel - 1)


def up(span):
    """The same for up-sampling by two, nearest or transposed."""
    return span[0] // 2, span[1] // 2


def through(layers, span):
    """The same for layers one after the other, the last one first."""
    return reduce(lambda seen, layer: layer(seen), reversed(layers), span)


def seen(encoder, decoder, head, span, level=0, ups=(up,) * 9):
    """Inputs that outputs of a U-Net read: `encoder[level]` leads there, `decoder[level]` back.

    `ups[level]` is between the decoder of a level and what is below it.
    """
    if level == 0:
        span = through(head, span)
    down = [layer for block in encoder[: level + 1] for layer in block]
    if level == len(encoder) - 1:
        return through(down, span)
    span = through(decoder[level], span)
    below = ups[level](span)
    spans = through(down, span), seen(encoder, decoder, [], below, level + 1, ups)
    return min(lo for lo, _ in spans), max(hi for _, hi in spans)


def reach(encoder, decoder, head, stride, ups=(up,) * 9):
    """Largest distance an output looks, over the phases of the stride."""
    spans = [(at, seen(encoder, decoder, head, (at, at), 0, ups)) for at in range(stride)]
    return max(max(at - lo, hi - at) for at, (lo, hi) in spans)


@given(
    st.sampled_from([0, 2]), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2),
    st.sampled_from(["transposed", "nearest"]),
)  # fmt: skip
@settings(max_examples=10, deadline=None)
def test_the_field_is_what_the_layers_add_up_to(stem, levels, down, back, kind):
    """Probe and layer arithmetic agree to the pixel, and the stride is two to the poolings."""
    options = {"stem": stem, "filters": (2,) * levels, "convolutions": down, "up": kind}
    network = build("unet", options | {"decoder_convolutions": back})
    encoder = [[conv(2, 2, padding=0)] * (level > 0) + [conv(3)] * down for level in range(levels)]
    encoder[0] = [conv(3, 2)] * bool(stem) + encoder[0]
    decoder = [[conv(3)] * back] * levels
    head = [up, conv(3)] if stem else []
    stride = 2 ** (levels - 1 + bool(stem))
    # a single level at full resolution, and none else, is exact whatever the grid
    assert sight(network, 3) == Sight(reach(encoder, decoder, head, stride), stride)


def test_the_field_of_even_kernels_is_their_reach_too():
    """The same for 4 × 4 kernels, and a bottleneck at the last block's resolution."""
    four = conv(4, padding=1)
    encoder = [[conv(2, 2, padding=0)] * (0 < level < 4) + [four, four] for level in range(5)]
    ups = up, up, up, lambda span: span
    expected = reach(encoder, [[four, four]] * 4, [], 8, ups)
    network = build("coastal", {"filters": (2,) * 5})
    assert sight(network, 3) == Sight(expected, 8)


def test_a_resnet_unet_of_smp_sees_what_its_layers_add_up_to():
    """The same for somebody else's network, cut to three levels."""
    network = build("smp:Unet/resnet18", {"encoder_depth": 3, "decoder_channels": (16, 8, 8)})
    network.stride = 8
    encoder = [
        [conv(7, 2)],
        [conv(3, 2), *[conv(3)] * 4],
        [conv(3, 2), *[conv(3)] * 3],
    ]
    decoder = [[conv(3)] * 2] * 2
    head = [up, conv(3), conv(3), conv(3)]
    found = sight(network, 3)
    assert found == Sight(reach(encoder, decoder, head, 8), network.encoder.output_stride)


@pytest.mark.slow
def test_fields_of_smp_networks():
    """Figures of the whole networks, as the documents have them."""
    assert sight(build("smp:Unet/resnet18", {}), 3) == Sight(311, 32)
    assert sight(build("smp:Linknet/resnet18", {}), 3) == Sight(279, 32)


class SqueezeAndExcite(nn.Module):
    """Channels weighted by their mean over the tile."""

    def forward(self, x):
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


class Attention(nn.Module):
    """Each pixel looks at all."""

    def forward(self, x):
        flat = x.flatten(2).transpose(1, 2)
        return (
            nn.functional.scaled_dot_product_attention(flat, flat, flat)
            .transpose(1, 2)
            .view(x.shape)
        )


class Swallow(nn.Module):
    """Sees its neighbours, and hides NaN."""

    def forward(self, x):
        return x + torch.nan_to_num(x).roll(1, 3)


@pytest.mark.parametrize(
    "layer",
    [
        nn.InstanceNorm2d(3),
        nn.GroupNorm(1, 3),
        SqueezeAndExcite(),
        Attention(),
        nn.Sequential(nn.AvgPool2d(2), nn.UpsamplingBilinear2d(scale_factor=2)),
        Swallow(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_no_halo_makes_exact_has_no_field(layer):
    """Global statistics, attention, a grid that hangs on the tile's size, and hidden NaN."""
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), layer)
    network.stride = 2
    assert receptive_field(network, 3) is None


@pytest.mark.parametrize("name", ["smp:FPN/resnet18", "smp:PAN/resnet18"])
def test_smp_networks_with_a_global_context_have_no_field(name):
    """Group norm, pooling pyramids and the like are recognised."""
    assert receptive_field(build(name, {}), 3) is None


def test_the_stride_is_measured_not_believed():
    """A network that says 8 and repeats every 2 pixels has the stride 2."""
    network = nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2))
    network.stride = 8
    assert sight(network, 3) == Sight(1, 2)


def test_probing_leaves_the_mode_alone():
    """A network that is being trained stays in training."""
    network = build("unet", SMALL).train()
    receptive_field(network, 3)
    bytes_per_pixel(network, 3)
    assert network.training


def test_the_memory_of_a_network_can_be_added_up():
    """Two convolutions: input and map, then map and map, whatever the number of layers."""
    wide = [nn.Conv2d(3, 10, 1), *[nn.Conv2d(10, 10, 1) for _ in range(4)]]
    network = nn.Sequential(*wide)
    network.stride = 1
    # the input of 3 bands is the caller's and stays: 4 · (3 + 10 + 10) bytes
    assert bytes_per_pixel(network, 3) == 92


def test_nothing_beyond_the_field_changes_an_output():
    """A change just outside the field leaves an output as it is, one inside can change it."""
    torch.manual_seed(1)
    network = build("unet", SMALL).eval()
    field, stride = receptive_field(network, 3), total_stride(network)
    size = -(-2 * (field + stride) // stride) * stride
    pixels = torch.rand(1, 3, 2 * stride, size)
    changed = pixels.clone()
    changed[..., size // 2 + field + 1 :] = 9
    with torch.inference_mode():
        before, after = network(pixels), network(changed)
    assert torch.equal(before[..., : size // 2 + 1], after[..., : size // 2 + 1])


def test_a_field_beyond_the_last_limit_is_none():
    """A network that sees farther than is looked for has no field."""
    network = nn.Conv2d(1, 1, (1, 2201), padding=(0, 1100))
    network.stride = 1
    assert receptive_field(network, 1) is None


@pytest.mark.parametrize(("leap", "field"), [(200, 200), (1100, None)])
def test_a_kernel_that_leaps_is_followed(leap, field):
    """A dilated kernel reads far away and nothing between; it is found, or told to be too far."""
    network = nn.Conv2d(1, 1, 3, padding=leap, dilation=leap)
    network.stride = 1
    assert receptive_field(network, 1) == field


def test_an_smp_network_is_built_by_name():
    """Architectures of segmentation-models-pytorch answer to smp:."""
    network = build("smp:Unet/resnet18", {"bands": 4, "classes": 2}).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 4, 64, 64)).shape == (1, 2, 64, 64)
    assert total_stride(network) == 32


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("vnet", {}, "unknown network 'vnet'; known: unet, field, coastal"),
        ("unet", {"depth": 3}, "unknown network option 'depth'; known: activation"),
        ("unet", {"filters": ()}, "at least 1"),
        ("unet", {"activation": "tanh"}, "activation is 'tanh' .expected relu, elu, gelu"),
        ("unet", {"filters": 5}, "filters is 5 .expected a list"),
        ("unet", {"bands": "x"}, "bands is 'x' .expected a whole number"),
        ("unet", {"head_dropout": 2.0}, "dropout is a share from 0 to 1"),
        ("smp:Nonet/resnet18", {}, "smp:Nonet/resnet18 cannot be built"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, words):
    """The message names what is known."""
    with pytest.raises(ModelError, match=words):
        build(name, options)
