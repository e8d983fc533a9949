"""Rules of the networks, their registry and the receptive-field probe."""

from __future__ import annotations

import pytest
import torch

from geounet.errors import ModelError
from geounet.networks.field import receptive_field
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


def test_the_field_is_what_the_layers_add_up_to():
    """Probe and arithmetic agree for a U-Net of two levels."""
    network = build("unet", {"stem": 0, "filters": (2, 2), "decoder_convolutions": 1})
    # 2 before the pool, 1 from pooling, 2·2 below, 1 from up-sampling's grid, 1 after it
    probed = receptive_field(network, 3)
    assert 8 <= probed <= 9


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


def test_a_field_beyond_the_limit_is_none():
    """A network that sees farther than is looked for has no field."""
    assert receptive_field(build("unet", SMALL), 3, limit=8) is None


def test_an_smp_network_is_built_by_name():
    """Architectures of segmentation-models-pytorch answer to smp:."""
    network = build("smp:Unet/resnet18", {"bands": 4, "classes": 2}).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 4, 64, 64)).shape == (1, 2, 64, 64)
    assert total_stride(network) == 32


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("vnet", {}, "unknown network 'vnet'; known: unet"),
        ("unet", {"depth": 3}, "unknown network option 'depth'; known: activation"),
        ("unet", {"filters": ()}, "at least 1"),
        ("unet", {"activation": "tanh"}, "known: relu, elu, gelu"),
        ("smp:Nonet/resnet18", {}, "smp:Nonet/resnet18 cannot be built"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, words):
    """The message names what is known."""
    with pytest.raises(ModelError, match=words):
        build(name, options)
