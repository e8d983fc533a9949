"""How sure a model may be: reliability, and the temperature that makes it so."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from geounet.card import ModelCard
from geounet.evaluation.calibration import Reliability, reliability
from geounet.model import Segmenter
from geounet.networks.registry import build
from geounet.training.calibrate import last_layers, temperature, tempered


def scored(sharpness, *, place="here", seed=0):
    """A sheet whose pixels are true as often as p says, and p made surer than that."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (200, 200))
    mask = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    p = (1 / (1 + np.exp(-sharpness * logits))).astype(np.float32)
    return SimpleNamespace(place=place, mask=mask, valid=np.ones_like(mask)), p[None]


def test_the_calibration_error_is_what_its_definition_says():
    """Bin by bin: the share of pixels times how far the mean probability is off their truth."""
    rng = np.random.default_rng(3)
    p, truth = rng.random(5000), rng.random(5000) < 0.3
    expected = 0.0
    for low in np.arange(10) / 10:
        inside = (p >= low) & (p < low + 0.1)
        expected += inside.mean() * abs(p[inside].mean() - truth[inside].mean())
    assert reliability([(p, truth)], bins=10).error == pytest.approx(expected, abs=1e-3)


def test_parts_of_the_pixels_add_up():
    """Reliability of two images together is that of all their pixels."""
    rng = np.random.default_rng(4)
    parts = [(rng.random(size), rng.random(size) < 0.5) for size in (300, 700)]
    whole = reliability(parts)
    assert Reliability.together([reliability([part]) for part in parts]).error == whole.error
    assert whole.pixels.sum() == 1000


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_too_much_or_too_little_confidence(sharpness):
    """Logits that are k times too large get the temperature k."""
    assert temperature([scored(sharpness)]) == pytest.approx(sharpness, rel=0.05)


def test_places_count_alike():
    """A place of many images does not outvote one of few."""
    many = [scored(3.0, seed=seed) for seed in range(6)]
    both = temperature([*many, scored(1.0, place="there", seed=9)])
    assert both == pytest.approx(temperature([many[0], scored(1.0, place="there")]), rel=0.05)


def test_nothing_is_settled_where_nothing_tells():
    """Without sheets, or with nothing but ground, logits stay as they are."""
    empty, p = scored(2.0)
    assert temperature([]) == 1.0
    assert temperature([(SimpleNamespace(**{**vars(empty), "mask": empty.mask & False}), p)]) == 1


@pytest.mark.parametrize("network", ["unet", "field", "coastal", "unetplusplus", "pointwise"])
def test_a_tempered_network_gives_logits_divided_by_the_temperature(network):
    """Exactly the same map otherwise, and the network that was given stays as it was."""
    small = {} if network == "pointwise" else {"filters": (4, 8, 8, 8)}
    before = Segmenter(ModelCard(name="x", network=network), build(network, small).eval())
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        cold = before.network(pixels)
        warm = tempered(before, 1.7).network(pixels)
        assert torch.equal(before.network(pixels), cold)
    assert torch.allclose(warm, cold / 1.7, atol=1e-6)


def test_networks_of_others_have_a_last_layer_too():
    """Those of segmentation-models-pytorch end in a head as well."""
    network = build("smp:Unet/resnet18", {"classes": 1})
    assert len(last_layers(network)) == 1
