"""Rules of the engines: whichever runs a model, it gives what torch gives in fp32."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch
from fakes import PaintModel
from torch import nn

from geounet.backends import Look
from geounet.backends import probe as probing
from geounet.backends.cache import cached, folder
from geounet.backends.choose import Wanted, settle, verdicts
from geounet.backends.combine import VIEWS, Ensemble, EnsembleStep, ViewsStep, ensemble
from geounet.backends.engine import PRECISIONS, Engine, graph_of, installed, make_step
from geounet.backends.export import export_onnx
from geounet.backends.fold import folded
from geounet.backends.golden import golden_difference, golden_output
from geounet.backends.load import load
from geounet.backends.probe import Verdict, apart, candidates
from geounet.backends.torch import TorchStep
from geounet.card import ModelCard
from geounet.errors import ModelError, OptionError
from geounet.model import (
    OnnxModel,
    Segmenter,
    load_model,
    open_model,
    read_card,
    read_golden,
    save_model,
)
from geounet.modelfile import write_file
from geounet.networks.registry import build
from geounet.onnxfile import metadata, with_metadata

ENGINES = [
    (backend, precision)
    for backend, precisions in PRECISIONS.items()
    if backend in ("torch", "onnx", "openvino")
    for precision in precisions
    if precision != "fp16"
]
TOLERANCE = {"fp32": 1e-5, "bf16": 0.1, "int8": 0.3}
"""|Δp| at one pixel against fp32 of torch, for a network with random weights."""
OPTIONS = {"stem": 4, "filters": (4, 8)}
CARD = ModelCard(
    name="small", network="unet", network_options=OPTIONS, stride=4, receptive_field=24
)


def needs(backend, precision="fp32"):
    """Skip a test whose engine is not installed."""
    exports = backend == "torch" or find_spec("onnx")
    if not (exports and installed(backend, precision)):
        pytest.skip(f"{backend} {precision} is not installed")


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run beside each other: one thread each."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder()


@pytest.fixture(scope="module")
def segmenter():
    """A small network, its batch normalisation with statistics that matter."""
    torch.manual_seed(0)
    network = build("unet", OPTIONS)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return Segmenter(CARD, network.eval())


@pytest.fixture(scope="module")
def batch():
    """Two tiles of raw pixels, a corner of one without data."""
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, 32, 48), dtype=np.uint8)
    valid = np.ones((2, 32, 48), bool)
    valid[0, :9, :7] = False
    return pixels, valid


@pytest.fixture
def stored(segmenter, tmp_path):
    """The network in a file, with a golden tile."""
    pixels = np.random.default_rng(2).integers(0, 255, (3, 64, 64), dtype=np.uint8)
    path = tmp_path / "small.safetensors"
    save_model(path, segmenter, (pixels, golden_output(segmenter, pixels)))
    return load_model(path)


@pytest.fixture
def graph(stored, tmp_path):
    """The same network as an ONNX file with card and golden tile."""
    pytest.importorskip("onnx")
    path = tmp_path / "small.onnx"
    path.write_bytes(export_onnx(stored, read_golden(stored.path)))
    return path


def plainly(segmenter, pixels, valid):
    """What the network gives by its definition, layer by layer."""
    card = segmenter.card
    mean, std = (np.array(each).reshape(1, -1, 1, 1) for each in (card.mean, card.std))
    x = np.where(valid[:, None], (pixels / 255 - mean) / std, 0)
    with torch.inference_mode():
        return torch.sigmoid(segmenter.network(torch.from_numpy(x).float())).numpy()


# engines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "precision"), ENGINES)
def test_every_engine_computes_what_the_network_says(stored, batch, backend, precision):
    """Scaling, fill, network and sigmoid agree with the definition within the precision."""
    needs(backend, precision)
    step = make_step(stored, Engine(backend=backend, precision=precision, threads=1))
    found = step(*batch)["probability"]
    assert found.dtype == np.float32
    assert np.abs(found - plainly(stored, *batch)).max() <= TOLERANCE[precision]
    assert (step.backend, step.precision, step.device) == (backend, precision, "cpu")


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_a_tile_does_not_depend_on_its_neighbours_in_the_batch(stored, batch, backend):
    """Order and company in a batch change nothing in fp32, and results are not overwritten."""
    needs(backend)
    step = make_step(stored, Engine(backend=backend, precision="fp32", threads=1))
    pixels, valid = batch
    kept = step(pixels, valid)["probability"]
    there = kept.copy()
    back = step(pixels[::-1], valid[::-1])["probability"]
    alone = step(pixels[:1], valid[:1])["probability"]
    assert np.abs(back[::-1] - there).max() <= 1e-6
    assert np.abs(alone - there[:1]).max() <= 1e-6
    assert (kept == there).all()


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_every_engine_knows_the_cards_scale(stored, batch, backend):
    """Sixteen-bit pixels under another range give what eight-bit ones give."""
    needs(backend)
    pixels, valid = batch
    engine = Engine(backend=backend, precision="fp32", threads=1)
    expected = make_step(stored, engine)(pixels, valid)["probability"]
    wide = load(stored, (0, 2550))
    found = make_step(wide, engine)(pixels.astype(np.uint16) * 10, valid)["probability"]
    assert np.abs(found - expected).max() <= 1e-5


def test_an_engine_that_is_settled_makes_the_same_step_again(stored, batch):
    """The words alone say everything: a resumed run computes the same numbers."""
    words = json.loads(json.dumps(asdict(Engine(backend="torch", precision="fp32", tta="flips"))))
    engines = [Engine(**{**words, "look": Look(**words["look"])}) for _ in range(2)]
    found = [make_step(stored, engine)(*batch)["probability"] for engine in engines]
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"backend": "onnx", "precision": "bf16"}, "onnx has no precision bf16; known: fp32"),
        ({"backend": "torch", "precision": "int8"}, "torch has no precision int8"),
        ({"backend": "tf", "precision": "fp32"}, "backend is 'tf'; known: torch, compile"),
        ({"backend": "torch", "precision": "fp32", "tta": "many"}, "known: none, flips, d4"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words, says):
    """Nobody gets another precision than asked for."""
    with pytest.raises(OptionError, match=says):
        Engine(**words)


def test_an_engine_that_is_not_installed_is_named_with_its_cure(stored, monkeypatch):
    """The message has the line to type."""
    monkeypatch.setattr("geounet.backends.engine.find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"not installed; pip install 'geounet\[onnx\]'"):
        make_step(stored, Engine(backend="onnx", precision="fp32"))


def test_a_model_that_cannot_be_exported_says_what_is_missing(stored, monkeypatch):
    """Without the exporter's package a graph engine is no candidate, and asking for it is told."""
    real = find_spec
    without = lambda name: None if name == "onnx" else real(name) or True  # noqa: E731
    monkeypatch.setattr("geounet.backends.engine.find_spec", without)
    assert {backend for backend, _ in candidates(stored)} == {"torch"}
    with pytest.raises(ModelError, match="needs the package onnx to become a graph"):
        make_step(stored, Engine(backend="onnx", precision="fp32"))


def test_int8_needs_something_to_go_by(segmenter):
    """A model without golden tile cannot be calibrated, and says so."""
    needs("openvino", "int8")
    with pytest.raises(ModelError, match="no golden tile to calibrate int8"):
        make_step(segmenter, Engine(backend="openvino", precision="int8"))


def test_pixels_are_scaled_on_a_card_as_they_are_here(stored, batch):
    """Where raw pixels go to the device, it scales and fills them to the same numbers."""
    step = TorchStep(stored, device="cpu")
    expected = step._input(*batch).clone()
    step.device, step._sent = "cuda", torch.from_numpy
    found = step._input(*batch)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found, expected, atol=1e-6)
    assert (found[0, :, :9, :7] == 0).all()


@pytest.mark.slow
def test_a_compiled_network_computes_the_same(stored, batch):
    """torch.compile changes the speed, not the map."""
    step = make_step(stored, Engine(backend="compile", precision="fp32"))
    assert step.backend == "compile"
    assert np.abs(step(*batch)["probability"] - plainly(stored, *batch)).max() <= 1e-5


def test_a_compiler_that_does_not_work_is_named(stored, batch, monkeypatch):
    """What torch.compile cannot do here is one line with the way out."""

    def broken(network, **_):
        def call(*_):
            raise torch._dynamo.exc.BackendCompilerFailed(lambda: None, ValueError("no g++"), None)

        return call

    import torch._dynamo  # noqa: PLC0415 - compiling brings it

    monkeypatch.setattr(torch, "compile", broken)
    step = make_step(stored, Engine(backend="compile", precision="fp32"))
    with pytest.raises(ModelError, match=r"torch\.compile does not work here .* --backend torch"):
        step(*batch)


# folding -----------------------------------------------------------------------------------------


def normalisations(network):
    """How many layers are left to fold."""
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_folding_changes_the_speed_not_the_map(segmenter):
    """No normalisation is left in a U-Net, the logits are equal to rounding."""
    fused = folded(segmenter.network, 3)
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = segmenter.network(x)
        assert (fused(x) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert normalisations(fused) == 0
    assert normalisations(segmenter.network) > 0


class Shared(nn.Module):
    """A convolution that is read by a normalisation and by someone else."""

    stride = 1

    def __init__(self):
        """Make the layers."""
        super().__init__()
        self.convolution, self.normalisation = nn.Conv2d(3, 1, 1), nn.BatchNorm2d(1)
        nn.init.constant_(self.normalisation.running_var, 9.0)

    def forward(self, pixels):
        x = self.convolution(pixels)
        return x + self.normalisation(x)


class Transposed(nn.Sequential):
    """An up-sampling convolution before its normalisation."""

    stride = 1

    def __init__(self):
        """Make the layers."""
        super().__init__(nn.ConvTranspose2d(3, 5, 2, 2), nn.BatchNorm2d(5))
        nn.init.uniform_(self[1].running_mean, -1, 1)
        nn.init.uniform_(self[1].running_var, 0.5, 2)


@pytest.mark.parametrize(("network", "left"), [(Shared, 1), (Transposed, 0)])
def test_what_cannot_be_folded_is_left(network, left):
    """Folding never changes what is computed: where it would, the layers stay as they are."""
    torch.manual_seed(3)
    network = network().eval()
    fused = folded(network, 3)
    x = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        assert (fused(x) - network(x)).abs().max() <= 1e-5
    assert normalisations(fused) == left


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Unet/resnet18", "FPN/resnet18", "Segformer/mit_b0"])
def test_networks_of_others_are_folded_and_exported(name):
    """Folding and export do not ask how a network was written."""
    torch.manual_seed(0)
    network = f"smp:{name}"
    card = ModelCard(name="smp", network=network, stride=32)
    model = Segmenter(card, build(network, {}).eval())
    pixels = np.random.default_rng(0).integers(0, 255, (1, 3, 64, 96), dtype=np.uint8)
    valid = np.ones((1, 64, 96), bool)
    expected = plainly(model, pixels, valid)
    pytest.importorskip("onnx")
    for backend in filter(installed, ("torch", "onnx", "openvino")):
        step = make_step(model, Engine(backend=backend, precision="fp32", threads=1))
        assert np.abs(step(pixels, valid)["probability"] - expected).max() <= 1e-4, backend


# files -------------------------------------------------------------------------------------------


def test_metadata_are_appended_and_found():
    """Whatever stands in an entry comes back, and the graph before it is not touched."""
    whole = with_metadata(b"\x08\x0a", {"a": "x" * 300, "ä": "{}"})
    assert whole.startswith(b"\x08\x0a")
    import io  # noqa: PLC0415

    assert metadata(io.BytesIO(whole)) == {"a": "x" * 300, "ä": "{}"}
    for cut in range(3, 300, 7):
        with pytest.raises(ValueError, match="cut short"):
            metadata(io.BytesIO(whole[:cut]))


def test_an_onnx_file_carries_card_and_golden_tile(graph, stored):
    """Nothing is lost between the two kinds of model file."""
    model = open_model(graph)
    assert isinstance(model, OnnxModel)
    assert model.card == read_card(graph) == stored.card
    for found, expected in zip(read_golden(graph), read_golden(stored.path), strict=True):
        assert (found == expected).all()
    needs("onnx")
    assert golden_difference(graph) <= 1


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "no geounet model card"), (b"\xff" * 20, "not a readable .onnx file"),
     (b"\x08\x0a", "no geounet model card")],
)  # fmt: skip
def test_a_file_that_is_no_graph_of_ours_is_refused(tmp_path, content, says):
    """One line says what is wrong with it."""
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=says):
        open_model(path)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_graph_that_is_not_the_cards_is_refused(graph, tmp_path, backend):
    """A card of four bands over a graph of three is found before the first tile."""
    needs(backend)
    other = replace(CARD, bands=("a",) * 4, mean=(0.5,) * 4, std=(0.25,) * 4)
    model = OnnxModel(other, graph)
    with pytest.raises(ModelError, match=r"its card says \(batch, 4, height, width\)"):
        make_step(model, Engine(backend=backend, precision="fp32"))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08\x0a")
    with pytest.raises(ModelError, match="refuses it"):
        make_step(OnnxModel(CARD, broken), Engine(backend=backend, precision="fp32"))


def test_training_does_not_start_from_a_graph(graph):
    """A graph has no weights to go on with."""
    with pytest.raises(ModelError, match=r"pass its \.safetensors"):
        load_model(graph)


# cache -------------------------------------------------------------------------------------------


def test_what_was_made_once_is_kept(cache):
    """The second time nothing is made; a damaged file is made again."""
    made = []
    make = lambda: made.append(1) or b"content"  # noqa: E731
    assert [cached("x", make), cached("x", make)] == [b"content"] * 2
    assert len(made) == 1
    for damage in (b"", b"short", (cache / "x").read_bytes()[:-1]):
        (cache / "x").write_bytes(damage)
        assert cached("x", make) == b"content"
    assert len(made) == 4
    assert [path.name for path in cache.iterdir()] == ["x"]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    """A read-only home does not keep anybody from predicting."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cached("x", lambda: b"content") == b"content"


def test_the_graph_of_other_weights_is_another(segmenter, cache):
    """A changed weight is never run with the graph of the old one."""
    pytest.importorskip("onnx")
    torch.manual_seed(9)
    other = Segmenter(CARD, build("unet", OPTIONS).eval())
    assert graph_of(segmenter) != graph_of(other)
    assert len(list(cache.iterdir())) == 2


def test_a_network_that_was_handed_out_is_run_as_it_is(stored, batch):
    """Weights that somebody changed in memory are never run with the graph of the file."""
    needs("onnx")
    engine = Engine(backend="onnx", precision="fp32", threads=1)
    before = make_step(load(stored.path), engine)(*batch)["probability"]
    changed = load_model(stored.path)
    with torch.no_grad():
        for weight in changed.network.parameters():
            weight.zero_()
    after = make_step(changed, engine)(*batch)["probability"]
    assert np.abs(after - 0.5).max() < 1e-6 < np.abs(after - before).max()
    again = make_step(load(stored.path), engine)(*batch)["probability"]
    assert (again == before).all()


def test_weights_that_do_not_fit_are_refused_when_the_model_is_opened(stored, tmp_path):
    """A file is wrong where it is named, not where it is first run; however often it is named."""
    tensors = {"x": np.zeros(3, np.float32)}
    wrong = tmp_path / "wrong.safetensors"
    write_file(wrong, stored.card.to_json(), tensors, None)
    for _ in range(2):
        with pytest.raises(ModelError, match="do not fit"):
            load(wrong)


# choosing ----------------------------------------------------------------------------------------


def test_a_small_raster_is_not_worth_a_probe(stored, cache):
    """It runs with torch in fp32, and nothing is tried or exported."""
    engine = settle(stored, Wanted(device="cpu"), pixels=1000)
    assert (engine.backend, engine.precision) == ("torch", "fp32")
    assert not cache.exists()


def test_auto_takes_the_fastest_within_the_bound(stored, monkeypatch):
    """Speed decides among those that are near fp32; the verdicts are kept."""
    asked = []

    def measured(model, among, *_):
        asked.append(1)
        speeds = {("torch", "fp32"): 3.0, ("torch", "bf16"): 2.0, ("onnx", "fp32"): 1.0}
        far = {("onnx", "fp32"): "too far"}
        return [
            Verdict(backend=b, precision=p, seconds_per_mpx=speeds.get((b, p), 9.0),
                    difference=0, iou=1, reason=far.get((b, p), ""))
            for b, p in among
        ]  # fmt: skip

    monkeypatch.setattr(probing, "_measured", measured)
    for _ in range(2):
        engine = settle(stored, Wanted(device="cpu"), pixels=10**9)
        assert (engine.backend, engine.precision) == ("torch", "bf16")
    assert len(asked) == 1
    fp32 = settle(stored, Wanted(device="cpu", precision="fp32"), pixels=10**9)
    assert fp32.precision == "fp32"


def test_a_verdict_tells_near_from_far(stored, monkeypatch):
    """What is measured is the difference that was laid in."""
    pixels = read_golden(stored.path)[0]
    engine = Engine(backend="torch", precision="fp32", threads=1)
    expected = make_step(stored, engine)(pixels[None], np.ones((1, 64, 64), bool))["probability"]
    near = probing._verdict(stored, engine, pixels, expected)
    assert (near.difference, near.iou, near.reason) == (0, 1, "")
    assert near.seconds_per_mpx > 0
    far = probing._verdict(stored, engine, pixels, np.clip(expected + 0.05, 0, 1))
    assert "too far from fp32" in far.reason


def test_the_bound_looks_at_the_tail_and_at_the_mask():
    """One pixel in a hundred counts; two empty masks agree."""
    expected, found = np.zeros((1, 1, 10, 100), np.float32), np.zeros((1, 1, 10, 100), np.float32)
    assert apart(expected, found, 0.5) == (0, 1)
    found[..., :10, 0] = 0.6
    difference, iou = apart(expected, found, 0.5)
    assert difference == pytest.approx(0.6)
    assert iou == 0
    found[..., 0] = 0
    found[0, 0, 0, 0] = 0.4
    assert apart(expected, found, 0.5)[0] < 0.01


def test_without_golden_tile_auto_stays_with_the_reference(segmenter):
    """What cannot be checked is not taken."""
    engine = settle(segmenter, Wanted(device="cpu"), pixels=10**9)
    assert (engine.backend, engine.precision) == ("torch", "fp32")
    assert verdicts(segmenter) == []


@pytest.mark.parametrize("words", [{"backend": "onnx"}, {"precision": "bf16"}])
def test_a_step_that_was_handed_in_is_run_as_it_is(words):
    """Asking for another engine is refused, not passed over."""
    model = PaintModel()
    assert make_step(model, settle(model, Wanted(), 10**9)) is model
    with pytest.raises(OptionError, match="is a step already"):
        settle(model, Wanted(**words), 10**9)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"device": "cuda"}, "an ONNX graph runs on a CPU, got --device cuda"),
        ({"backend": "torch", "precision": "fp32"}, "run by onnx or openvino"),
    ],
)
def test_a_graph_is_run_by_what_runs_graphs(graph, words, says):
    """No torch is looked for, whatever is asked."""
    model = open_model(graph)
    assert not {backend for backend, _ in candidates(model)} & {"torch", "compile"}
    with pytest.raises((OptionError, ModelError), match=says):
        make_step(model, settle(model, Wanted(**words), 10**9))


# several models, several views -------------------------------------------------------------------


def test_views_are_the_eight_symmetries(batch):
    """Each view is undone exactly, and no two are alike."""
    step = PaintModel(classes=3)
    seen = []
    step_seen = lambda p, v: seen.append(p[0].tobytes()) or PaintModel.__call__(step, p, v)  # noqa: E731
    fake = SimpleNamespace(card=step.card, device="cpu", precision="fp32", backend="paint")
    for tta, count in (("none", 1), ("flips", 4), ("d4", 8)):
        seen.clear()
        views = ViewsStep(fake, tta)
        views._step = step_seen
        pixels, valid = batch[0][..., :32], batch[1][..., :32]
        found = views(pixels, valid)["probability"]
        assert np.allclose(found, step(pixels, valid)["probability"], atol=1e-6)
        assert len(set(seen)) == len(VIEWS[tta]) == count


@pytest.mark.parametrize("tta", ["flips", "d4"])
def test_views_keep_tiles_and_whole_equal(segmenter, tta):
    """Turned tiles stay on the network's grid: a core within its halo equals the untiled pass."""
    step = make_step(segmenter, Engine(backend="torch", precision="fp32", threads=1, tta=tta))
    pixels = np.random.default_rng(4).integers(0, 255, (1, 3, 96, 96), dtype=np.uint8)
    whole = step(pixels, np.ones((1, 96, 96), bool))["probability"]
    tile, halo = 64, 24
    part = step(pixels[..., 8 : 8 + tile, 20 : 20 + tile], np.ones((1, tile, tile), bool))
    core = part["probability"][..., halo:-halo, halo:-halo]
    expected = whole[..., 8 + halo : 8 + tile - halo, 20 + halo : 20 + tile - halo]
    assert np.abs(core - expected).max() <= 1e-6
    assert not np.allclose(whole, step._step(pixels, np.ones((1, 96, 96), bool))["probability"])


class Named:
    """A step under another card."""

    def __init__(self, step, card):
        """Keep both."""
        self.step, self.card = step, card


def test_an_ensemble_gives_the_mean(segmenter, batch):
    """Two models count the same; their cards become one."""
    torch.manual_seed(5)
    other = Segmenter(
        replace(CARD, name="other", stride=8, threshold=0.3, receptive_field=40),
        build("unet", {"stem": 4, "filters": (4, 8, 8)}).eval(),
    )
    both = load((segmenter, other))
    assert isinstance(both, Ensemble)
    card = both.card
    assert (card.name, card.stride, card.receptive_field) == ("small+other", 8, 40)
    assert card.threshold == pytest.approx(0.4)
    engine = Engine(backend="torch", precision="fp32", threads=1)
    step = make_step(both, engine)
    assert isinstance(step, EnsembleStep)
    parts = [make_step(one, engine)(*batch)["probability"] for one in (segmenter, other)]
    assert np.allclose(step(*batch)["probability"], (parts[0] + parts[1]) / 2, atol=1e-6)


def test_models_that_do_not_agree_are_not_asked_together(segmenter):
    """The message names what differs."""
    other = segmenter.with_card(name="other", gsd=0.5)
    with pytest.raises(ModelError, match=r"small and other .* gsd is 0.3 in one and 0.5"):
        ensemble([segmenter, other])
    assert ensemble([segmenter]) is segmenter
    with pytest.raises(ModelError, match="got a step among them"):
        ensemble([segmenter, Named(PaintModel(3), CARD)])


def test_the_scaling_of_an_ensemble_is_everybodys(segmenter):
    """`--scale` reaches each of the models."""
    both = load((segmenter, segmenter.with_card(name="other")), (0, 100))
    assert {part.card.input_range for part in both.models} == {(0, 100)}
    with pytest.raises(OptionError, match="scales pixels itself"):
        load(PaintModel(), (0, 100))
    with pytest.raises(OptionError, match="black below white"):
        load(segmenter, (5, 5))


# the whole way -----------------------------------------------------------------------------------


def test_a_run_on_a_graph_never_imports_torch(graph, make_raster, tmp_path):
    """From the command line to the GeoPackage, nothing needs torch; nor geopandas to begin."""
    needs("onnx")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 80, 90), dtype=np.uint8)
    raster = make_raster(pixels)
    words = ["predict", str(raster), "-o", str(tmp_path / "o.gpkg"), "-m", str(graph)]
    words += ["--gsd", "native", "--json", "-q", "--tta", "flips", "--threads", "1"]
    code = (
        "import sys; from geounet.cli.main import main; import geounet.backends.onnx as onnx\n"
        "seen, call = [], onnx.OnnxStep.__call__\n"
        "onnx.OnnxStep.__call__ = lambda *a: seen.extend(sys.modules) or call(*a)\n"
        f"code = main({words!r}); early = [m for m in ('geopandas', 'sklearn') if m in seen]\n"
        "print(code, bool(seen), early, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, last = done.stdout.strip().splitlines()
    assert json.loads(first)["backend"] == "onnx", done.stderr
    assert last == "0 True [] False"


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_model_that_was_a_graph_before_needs_no_torch(stored, make_raster, tmp_path, backend):
    """The second run on a machine takes the graph of the first; its result is the same."""
    needs(backend)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 80, 90), dtype=np.uint8)
    raster, found = make_raster(pixels), []
    weighed = stored.with_card(bytes_per_pixel=64)  # as training writes it
    save_model(stored.path, weighed, read_golden(stored.path))
    for name, expected in (("one", True), ("two", False)):
        words = ["predict", str(raster), "-o", str(tmp_path / f"{name}.gpkg"), "-q", "--gsd"]
        words += ["native", "-m", str(stored.path), "--backend", backend, "--threads", "1"]
        words += ["--probability", str(tmp_path / f"{name}.tif")]
        code = (
            "import sys; from geounet.cli.main import main\n"
            f"code = main({words!r}); print(code, 'torch' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == f"0 {expected}", done.stderr
        found.append((tmp_path / f"{name}.tif").read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_polygons_do_not_depend_on_the_engine(graph, stored, make_raster, tmp_path, backend):
    """Every q of a raster run by an engine lies within one step of torch's."""
    needs(backend)
    from geounet.cli.main import main  # noqa: PLC0415

    pixels = np.random.default_rng(1).integers(0, 255, (3, 70, 100), dtype=np.uint8)
    raster, found = make_raster(pixels), []
    for name, model in (("torch", stored.path), (backend, graph)):
        out = tmp_path / f"{name}.tif"
        words = ["predict", raster, "-o", tmp_path / f"{name}.gpkg", "--probability", out, "-q"]
        words += ["-m", model, "--backend", name, "--gsd", "native", "--threads", "1"]
        words += ["--tile", "64", "--halo", "24"]
        assert main([str(word) for word in words]) == 0
        with rasterio.open(out) as file:
            found.append(file.read().astype(int))
    assert np.abs(found[0] - found[1]).max() <= 1


def test_doctor_says_what_every_engine_does(stored, capsys):
    """One command shows the choice and what it rests on."""
    from geounet.cli.main import main  # noqa: PLC0415

    assert main(["doctor", "--model", str(stored.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    shown = {name for name in found if name.startswith("engine ")}
    assert shown == {f"engine {' '.join(each)}" for each in candidates(stored)}
    assert "within the bound" in found["engine torch fp32"]


def test_a_torch_step_leaves_the_network_where_it_is(segmenter):
    """Running a network does not change the one that is being trained."""
    before = {name: value.clone() for name, value in segmenter.network.state_dict().items()}
    segmenter.network.train()
    TorchStep(segmenter, device="cpu", precision="bf16")
    assert segmenter.network.training
    segmenter.network.eval()
    for name, value in segmenter.network.state_dict().items():
        assert torch.equal(value, before[name])
