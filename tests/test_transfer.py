"""Rules of models that come from, or go to, other tools."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from geounet.cli.main import main
from torch import nn

from geounet.backends.engine import Engine, make_step
from geounet.backends.export import export_onnx
from geounet.card import ModelCard
from geounet.errors import GridError, ModelError, OptionError, TargetError
from geounet.model import (
    OnnxModel,
    Segmenter,
    load_model,
    open_model,
    read_card,
    read_golden,
    save_model,
)
from geounet.networks.registry import build
from geounet.onnxfile import metadata
from geounet.plan import PlanOptions, make_plan
from geounet.predict import PredictOptions, predict
from geounet.quantise import classify, level, quantise
from geounet.transfer.card import Words, make_card
from geounet.transfer.deepness import keys, words
from geounet.transfer.export import export_model
from geounet.transfer.graphs import import_graph
from geounet.transfer.states import import_state

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from deepness import Plugin  # noqa: E402 - needs onnxruntime

ROOT = Path(__file__).parents[1]
OPTIONS = {"stem": 4, "filters": (4, 8)}
DATA = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)
ALL = np.ones((2, 64, 64), bool)
FP32 = Engine(backend="torch", precision="fp32")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """One thread each, and a cache of the test's own."""
    torch.set_num_threads(1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def small(classes=("building",), **card):
    """A small network with random weights."""
    torch.manual_seed(1)
    options = {**OPTIONS, "classes": len(classes)}
    layers = tuple(f"{name}s" for name in classes)
    made = ModelCard(
        name="small", network="unet", network_options=options, stride=4, receptive_field=24,
        threshold=0.42, classes=classes, layers=layers, **card,
    )  # fmt: skip
    return Segmenter(made, build("unet", options).eval())


@pytest.fixture
def stored(tmp_path):
    """The network in a file."""
    path = tmp_path / "small.safetensors"
    save_model(path, small())
    return path


@pytest.fixture
def theirs(tmp_path):
    """A graph as others write it, with the plugin's keys and without a card of ours."""

    def make(tile=64, *, skip=(), edit=None, logits=False, batch=1, **extra):
        segmenter = small()
        network = segmenter.network if logits else nn.Sequential(segmenter.network, nn.Sigmoid())
        path = tmp_path / "theirs.onnx"
        axes = {0: "n"} | ({} if tile else {2: "h", 3: "w"})
        torch.onnx.export(
            network.eval(), (torch.zeros(batch or 2, 3, tile or 64, tile or 64),), path,
            dynamo=False, opset_version=18, input_names=["x"], output_names=["y"],
            dynamic_axes=None if tile and batch else {"x": axes, "y": axes},
        )  # fmt: skip
        model = onnx.load(path)
        entries = {k: v for k, v in keys(segmenter.card, 64, 16).items() if k not in skip}
        for key, value in (entries | extra).items():
            model.metadata_props.add(key=key, value=value)
        if edit:
            edit(model)
        onnx.save(model, path)
        return path

    return make


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("span", [(0, 255), (-10, 245), (0, 510)])
def test_the_plugin_sees_what_the_model_sees(tmp_path, span):
    """Its own division by 255, mean and standard deviation give our scaling, whatever its range."""
    segmenter = small(input_range=span, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    save_model(tmp_path / "m.safetensors", segmenter)
    assert export_model(tmp_path / "m.safetensors", tmp_path / "m.onnx", 64) <= 1e-5
    plugin = Plugin(tmp_path / "m.onnx")
    assert (plugin.tile, plugin.resolution, plugin.threshold) == (64, 30, 0.42)
    assert plugin.names == ["background", "building"]
    assert plugin.tile * plugin.overlap / 200 >= 24  # half of the overlap covers the field
    p = make_step(segmenter, FP32)(DATA, ALL)["probability"][:, 0]
    apart = np.abs(p - 0.42) > 1e-5
    assert (plugin.labels(DATA.transpose(0, 2, 3, 1)) == (p >= 0.42))[apart].all()
    assert 0.02 < (p >= 0.42).mean() < 0.98


def test_several_classes_get_a_background_that_the_plugin_takes(tmp_path):
    """Where no class reaches the threshold its largest channel is the first; ours leave it out."""
    segmenter = small(("roof", "road"))
    save_model(tmp_path / "m.safetensors", segmenter)
    export_model(tmp_path / "m.safetensors", tmp_path / "m.onnx", 64)
    plugin, model = Plugin(tmp_path / "m.onnx"), open_model(tmp_path / "m.onnx")
    assert plugin.names == ["background", "roof", "road"]
    p = make_step(model, Engine(backend="onnx", precision="fp32"))(DATA, ALL)["probability"]
    assert p.shape == (2, 2, 64, 64)
    ours = np.stack([classify(quantise(each), level(0.42)) for each in p])
    sure = (np.abs(p - 0.42).min(axis=1) > 0.005) & (np.abs(p[:, 0] - p[:, 1]) > 0.005)
    assert (plugin.labels(DATA.transpose(0, 2, 3, 1)) == ours)[sure].all()
    assert sure.mean() > 0.5
    assert set(np.unique(ours)) >= {1, 2}


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_an_exported_model_predicts_as_the_model_does(stored, make_raster, tmp_path, backend):
    """`-m file.onnx` gives the same map, in tiles of the one size its graph takes."""
    pytest.importorskip("onnxruntime" if backend == "onnx" else "openvino")
    assert (
        main(["models", "export", str(stored), "-o", str(tmp_path / "m.onnx"), "--tile", "64"]) == 0
    )
    card = read_card(tmp_path / "m.onnx")
    assert (card.tile, make_plan((99, 99), card, PlanOptions()).grid.tile) == (64, 64)
    raster = make_raster(
        np.random.default_rng(1).integers(0, 256, (3, 90, 120), dtype=np.uint8),
        transform=rasterio.Affine(0.3, 0, 5e5, 0, -0.3, 5e6),
    )
    maps = []
    for name, engine in ((stored, "torch"), (tmp_path / "m.onnx", backend)):
        p = tmp_path / f"{engine}.tif"
        options = PredictOptions(model=name, probability=p, backend=engine, precision="fp32")
        predict(raster, tmp_path / f"{engine}.gpkg", options)
        maps.append(rasterio.open(p).read(1).astype(int))
    assert np.abs(maps[0] - maps[1]).max() <= 1
    assert read_golden(tmp_path / "m.onnx")[0].shape == (3, 64, 64)


def test_other_tiles_than_the_graphs_are_refused(stored, tmp_path, capsys, make_raster):
    """One line, whether at the export or at the run."""
    with pytest.raises(GridError, match="multiple of 4, got 50; try 52"):
        export_model(stored, tmp_path / "m.onnx", 50)
    export_model(stored, tmp_path / "m.onnx", 64)
    with pytest.raises(TargetError, match="exists already"):
        export_model(stored, tmp_path / "m.onnx", 64)
    raster = str(make_raster(np.zeros((3, 64, 64), np.uint8)))
    model = ["-m", str(tmp_path / "m.onnx")]
    assert main(["predict", raster, *model, "--tile", "128", "-o", str(tmp_path / "o.gpkg")]) == 2
    assert "--tile must be 64, its graph takes no other, got 128" in capsys.readouterr().err
    assert main(["verify", raster, *model]) == 2
    assert "takes tiles of 64 alone" in capsys.readouterr().err


def test_a_free_graph_takes_any_tile_and_says_nothing_to_the_plugin(stored, tmp_path):
    """As `-m model.onnx` runs best; the plugin's keys would promise what it cannot load."""
    export_model(stored, tmp_path / "m.onnx", "free")
    assert read_card(tmp_path / "m.onnx").tile == 0
    with (tmp_path / "m.onnx").open("rb") as file:
        assert "model_type" not in metadata(file)


def test_a_graph_that_computes_something_else_is_not_written(stored, tmp_path, monkeypatch):
    """The export is run and compared before the file appears."""
    other = small()
    nn.init.constant_(other.network.head.bias, 3)
    monkeypatch.setattr(
        "geounet.transfer.export.export_onnx", lambda s, g, e: export_onnx(
            Segmenter(s.card, other.network), g, e)
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"differs from the model by .*nothing was written"):
        export_model(stored, tmp_path / "m.onnx", 64)
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("tile", "batch"), [(64, 1), (64, 0), (0, 0)])
def test_a_model_with_the_plugins_keys_needs_no_words(theirs, tmp_path, tile, batch):
    """GSD, classes, threshold and standardisation come from its metadata, sizes from its graph."""
    card = import_graph(theirs(tile, batch=batch), tmp_path / "in.onnx", Words())
    assert (card.gsd, card.classes, card.layers) == (0.3, ("building",), ("buildings",))
    assert (card.threshold, card.mean, card.std) == (0.42, (0.5,) * 3, (0.25,) * 3)
    assert (card.tile, card.batch, card.licence) == (tile, batch, "unknown")
    step = make_step(open_model(tmp_path / "in.onnx"), Engine(backend="onnx", precision="fp32"))
    plain = make_step(small(), FP32)(DATA, ALL)["probability"]
    found = [step(DATA[at : at + 1], ALL[:1])["probability"][0] for at in range(2)]
    assert np.abs(np.stack(found) - plain).max() < 1e-5


@pytest.mark.filterwarnings("ignore")
def test_an_imported_model_runs_in_predict(theirs, make_raster, tmp_path):
    """With tiles of the graph's size, one at a time, and a halo that fits in."""
    import_graph(theirs(), tmp_path / "in.onnx", Words(gsd=0.5))
    raster = make_raster(np.random.default_rng(1).integers(0, 256, (3, 90, 99), dtype=np.uint8))
    options = PredictOptions(model=tmp_path / "in.onnx", mask=tmp_path / "m.tif")
    result = predict(raster, tmp_path / "o.gpkg", options)
    assert (result.tile, result.backend) == (64, "onnx")
    assert 0 < result.halo < 32
    with rasterio.open(tmp_path / "m.tif") as mask:
        assert mask.shape == (90, 99)


@pytest.mark.filterwarnings("ignore")
def test_logits_become_probabilities_on_request(theirs, tmp_path):
    """What gives values outside 0 to 1 is refused with the cure; the cure works."""
    path = theirs(logits=True)
    with pytest.raises(ModelError, match="expected probabilities; pass --activation"):
        import_graph(path, tmp_path / "in.onnx", Words())
    assert not (tmp_path / "in.onnx").exists()
    import_graph(path, tmp_path / "in.onnx", Words(), "sigmoid")
    with pytest.raises(OptionError, match="softmax compares several; pass sigmoid"):
        import_graph(path, tmp_path / "two.onnx", Words(), "softmax")
    with pytest.raises(OptionError, match="gives probabilities already"):
        import_graph(theirs(), tmp_path / "two.onnx", Words(), "sigmoid")
    step = make_step(open_model(tmp_path / "in.onnx"), Engine(backend="onnx", precision="fp32"))
    expected = make_step(small(), FP32)(DATA[:1], ALL[:1])["probability"]
    assert np.abs(step(DATA[:1], ALL[:1])["probability"] - expected).max() < 1e-5


@pytest.mark.filterwarnings("ignore")
def test_what_nobody_says_is_asked_for(theirs, tmp_path, capsys):
    """All missing options in one line, exit 2; with them it works."""
    path = str(theirs(skip=("resolution", "class_names")))
    words = ["models", "import", path, "-o", str(tmp_path / "in.onnx")]
    assert main(words) == 2
    assert "pass also --gsd, --classes\n" in capsys.readouterr().err
    assert main([*words, "--gsd", "0.25", "--classes", "roof"]) == 0
    assert read_card(tmp_path / "in.onnx").layers == ("roofs",)
    assert main([*words, "--gsd", "0.25", "--classes", "roof"]) == 2
    assert "exists already" in capsys.readouterr().err


def _two_inputs(model):
    model.graph.input.append(onnx.helper.make_tensor_value_info("z", 1, [1]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("extra", "edit", "match"),
    [
        ({"model_type": '"Detector"'}, None, "is a Detector, expected a Segmentor"),
        ({"resolution": '"x"'}, None, "metadata cannot be understood"),
        ({"resolution": "import os"}, None, "metadata resolution is 'import os', expected JSON"),
        ({"class_names": '{"1": "a"}'}, None, "numbered from 0"),
        (
            {"class_names": '{"0": "a", "1": "b", "2": "c"}'},
            None,
            "3 class_names, but .* 1 channels",
        ),
        ({"standardization_mean": "[0.5]"}, None, "1 means"),
        ({"geounet.card": "{}"}, None, "has a card of geounet; use it as it is"),
        ({}, _two_inputs, "expected one each"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(theirs, tmp_path, extra, edit, match):
    """One line says what is wrong; nothing is written."""
    with pytest.raises(ModelError, match=match):
        import_graph(theirs(edit=edit, **extra), tmp_path / "in.onnx", Words())
    assert not (tmp_path / "in.onnx").exists()
    (tmp_path / "no.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"not a usable \.onnx file"):
        import_graph(tmp_path / "no.onnx", tmp_path / "in.onnx", Words())


@pytest.mark.filterwarnings("ignore")
def test_weights_in_other_files_are_taken_in_from_its_own_folder_alone(theirs, tmp_path):
    """Beside the graph they become part of it; elsewhere they are not looked at."""
    path = theirs()
    save_model(tmp_path / "m.safetensors", small())
    model = onnx.load(path)
    (tmp_path / "a").mkdir()
    inside = tmp_path / "a" / "inside.onnx"
    onnx.save(model, inside, save_as_external_data=True, location="w.bin", size_threshold=0)
    import_graph(inside, tmp_path / "in.onnx", Words())
    (tmp_path / "a" / "w.bin").unlink()
    assert b"w.bin" not in (tmp_path / "in.onnx").read_bytes()
    make_step(open_model(tmp_path / "in.onnx"), Engine(backend="onnx", precision="fp32"))
    export_model(tmp_path / "m.safetensors", tmp_path / "m.onnx", "free")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.save(model, tmp_path / "e.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(ModelError, match=r"e\.onnx: keeps weights in other files"):
        make_step(open_model(tmp_path / "e.onnx"), Engine(backend="onnx", precision="fp32"))
    model = onnx.load(inside, load_external_data=False)
    (tmp_path / "w.bin").write_bytes(b"\0" * 100_000)
    for location in ("../w.bin", str(tmp_path / "w.bin")):
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location
        inside.write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match=r"inside\.onnx: not a usable"):
            import_graph(inside, tmp_path / "out.onnx", Words())


def test_background_is_left_out_and_names_are_those_of_channels():
    """A first class called background is none; a single channel is the last class."""
    for names, channels, expected in (
        ('{"0": "_background", "1": "building", "2": "road"}', 3, ("building", "road")),
        ('{"0": "no", "1": "yes"}', 1, ("yes",)),
        ('{"0": "roof"}', 1, ("roof",)),
        ("{0: 'background', 1: 'field'}", 2, ("field",)),
        ('{"0": "tree", "1": "house"}', 2, ("tree", "house")),
        ('[{"0": "Coffee"}]', 1, ("Coffee",)),
    ):
        assert words({"class_names": names}, channels, Path("x"))["classes"] == expected


def _said(**more):
    return Words(**{"gsd": 0.3, "classes": ("building",), "mean": (0.5,) * 3, "std": (0.25,) * 3}
                 | more)  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("holder", [None, "state_dict"])
def test_a_state_dict_becomes_a_model(tmp_path, prefix, holder):
    """The same maps; a checkpoint's wrapper and a common first name are no hindrance."""
    segmenter = small()
    state = {f"{prefix}{name}": value for name, value in segmenter.network.state_dict().items()}
    torch.save({holder: state, "epoch": 3} if holder else state, tmp_path / "w.pt")
    out = tmp_path / "m.safetensors"
    import_state(tmp_path / "w.pt", out, _said(), "unet", {"stem": 4, "filters": [4, 8]})
    loaded = load_model(out)
    assert (loaded.card.stride, loaded.card.licence) == (4, "unknown")
    assert loaded.card.receptive_field is not None
    expected = make_step(segmenter, FP32)(DATA, ALL)["probability"]
    assert np.array_equal(make_step(loaded, FP32)(DATA, ALL)["probability"], expected)


def test_classes_that_exclude_each_other_have_a_background_too(tmp_path):
    """Its map is the first of the weights, and stands for none of the classes that are named."""
    options = {"stem": 4, "down": [4], "up": [4, 4]}
    network = build("separable", {"classes": 3, **options})
    torch.save(network.state_dict(), tmp_path / "w.pt")
    out, said = tmp_path / "m.safetensors", _said(classes=("house", "road"))
    card = import_state(tmp_path / "w.pt", out, said, "separable", options)
    assert card.classes == ("house", "road")
    assert load_model(out).network.options.classes == 3


def test_nothing_in_a_pickle_is_run(tmp_path, capsys):
    """A file that would write another when unpickled is refused in one line."""
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (marker,))

    for name, held in (
        ("a.pt", Evil()),
        ("b.pth", {"state_dict": Evil()}),
        ("c.pt", small().network),
    ):
        torch.save(held, tmp_path / name)
        words = ["models", "import", str(tmp_path / name), "-o", str(tmp_path / "m.safetensors")]
        assert main([*words, "--network", "unet"]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "holds more than numbers, which is never opened" in line
    assert not marker.exists()
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("held", "network", "words", "match"),
    [
        ({}, "unet", {}, "holds no state dict"),
        ([1, 2], "unet", {}, "holds no state dict"),
        ({"a": torch.zeros(1)}, None, {}, "does not say its network; pass --network"),
        ({"a": torch.zeros(1)}, "unet", {"gsd": None, "std": None}, "pass also --gsd, --std"),
        ({"a": torch.zeros(1)}, "unet", {}, "weights do not fit network unet"),
        ({"a": torch.zeros(1)}, "vnet", {}, "unknown network 'vnet'"),
        ({"a": torch.zeros(1)}, "pointwise", {"options": {"classes": 2}}, "1 classes, .* 2 maps"),
    ],
)
def test_a_state_dict_that_is_none_is_refused(tmp_path, held, network, words, match):
    """One line, nothing written."""
    torch.save(held, tmp_path / "w.pt")
    options, said = words.get("options", {}), {k: v for k, v in words.items() if k != "options"}
    with pytest.raises(ModelError, match=match):
        import_state(tmp_path / "w.pt", tmp_path / "m.safetensors", _said(**said), network, options)
    (tmp_path / "x.pt").write_bytes(b"nothing of torch")
    with pytest.raises(ModelError, match=r"x\.pt: (holds more|not a readable)"):
        import_state(tmp_path / "x.pt", tmp_path / "m.safetensors", _said(), "unet", {})
    assert not (tmp_path / "m.safetensors").exists()


def test_what_the_user_says_counts_more_than_the_file():
    """Options win over metadata."""
    found = {"gsd": 1.0, "classes": ("a",), "mean": (0.5,) * 3, "std": (0.25,) * 3}
    card = make_card(Words(gsd=0.2, name="n"), found, Path("f.onnx"), (), network="onnx")
    assert (card.gsd, card.classes, card.name) == (0.2, ("a",), "n")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["x.onnx", "--network", "unet"], "leave --network and --option out"),
        (["x.pt", "--activation", "sigmoid"], "--activation is for .onnx files"),
        (["x.pkl"], "expected .onnx, .pt or .pth"),
        (["x.pt", "--option", "filters"], "'filters' is not KEY=VALUE"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, monkeypatch, capsys, words, match):
    """Before anything is opened."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / words[0]).touch()
    assert main(["models", "import", *words, "-o", "m.onnx"]) == 2
    assert match in capsys.readouterr().err


def test_the_plugin_finds_the_sample_town_as_we_do(tmp_path):
    """The bundled model, exported, through the plugin's own arithmetic: the same pixels."""
    assert export_model("buildings", tmp_path / "b.onnx") <= 1e-4
    plugin = Plugin(tmp_path / "b.onnx")
    with rasterio.open(ROOT / "sample_data" / "town.tif") as town:
        pixels = town.read((1, 2, 3))[None, :, : plugin.tile, : plugin.tile]
    p = make_step(load_model("buildings"), FP32)(pixels, np.ones((1, *pixels.shape[2:]), bool))
    found = p["probability"][:, 0] >= plugin.threshold
    labels = plugin.labels(pixels.transpose(0, 2, 3, 1)) == 1
    assert (found & labels).sum() / (found | labels).sum() >= 0.9999


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_engines_agree_on_the_sample_town(backend, tmp_path):
    """The masks of torch, ONNX Runtime and OpenVINO in fp32 have an IoU of 0.999 at least."""
    pytest.importorskip("onnxruntime" if backend == "onnx" else "openvino")
    segmenter = load_model("buildings")
    with rasterio.open(ROOT / "sample_data" / "town.tif") as town:
        pixels, valid = town.read((1, 2, 3))[None, :, :512, :512], np.ones((1, 512, 512), bool)
    maps = [
        make_step(segmenter, Engine(backend=name, precision="fp32"))(pixels, valid)["probability"]
        for name in ("torch", backend)
    ]
    one, other = (quantise(p) >= level(segmenter.card.threshold) for p in maps)
    assert (one & other).sum() / (one | other).sum() >= 0.999
    assert one.any()


def test_the_card_in_an_exported_file_is_json(stored, tmp_path):
    """All entries of the plugin are JSON, as its documentation asks."""
    export_model(stored, tmp_path / "m.onnx", 64)
    with (tmp_path / "m.onnx").open("rb") as file:
        entries = metadata(file)
    assert {"tile_size", "tiles_size", "names"} & set(entries) == {"tile_size", "tiles_size"}
    for key, value in entries.items():
        if not key.startswith("geounet.golden"):
            json.loads(value)
    assert isinstance(open_model(tmp_path / "m.onnx"), OnnxModel)
