"""Model files that would run code, eat memory, read other files, or lie."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save

from geounet.card import ModelCard
from geounet.modelfile import CARD_KEY
from geounet.onnxfile import with_metadata
from torture.case import Case
from torture.makers import both, bytes_of, raster

PREDICT = ("predict", "{in}/a.tif", "-o", "{out}/o.gpkg", "-q", "-m")
IMPORT = (
    *("--gsd", "0.3", "--classes", "building", "--mean", "0,0,0", "--std", "1,1,1"),
    *("--network", "pointwise"),
)
CARD = json.loads(
    ModelCard(name="m", network="pointwise", receptive_field=0, bytes_per_pixel=64).to_json()
)
WEIGHTS = {
    "head.weight": np.ones((1, 3, 1, 1), np.float32),
    "head.bias": np.zeros(1, np.float32),
}


class Payload:
    """What a malicious pickle holds: it leaves a marker where it is opened."""

    def __reduce__(self):
        """Say what is run."""
        return os.system, ("touch marker",)


class Indirect:
    """The same by a function that looks harmless."""

    def __reduce__(self):
        """Say what is run."""
        return eval, ("__import__('pathlib').Path('marker').touch()",)


def pickled(value, name):
    """A maker of a bare pickle."""
    return both(raster(), bytes_of(pickle.dumps(value), name))


def saved(value, name, **how):
    """A maker of a file by torch.save, which pickles what is no tensor."""

    def make(folder):
        raster()(folder)
        torch.save(value, folder / name, **how)

    return make


def zipped(folder):
    """A zip as torch makes them, whose pickle runs something."""
    raster()(folder)
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Payload()))
        archive.writestr("archive/version", "3")


def code():
    """Files that would run something where they are unpickled."""
    for suffix in ("pt", "pth"):
        name = f"m.{suffix}"
        words = ("models", "import", f"{{in}}/{name}", "-o", "{out}/m.safetensors", *IMPORT)
        for what, make in (
            ("a pickle", pickled(Payload(), name)),
            ("a pickle by eval", pickled(Indirect(), name)),
            ("saved by torch", saved({"head.weight": Payload()}, name)),
            ("saved the old way", saved(Payload(), name, _use_new_zipfile_serialization=False)),
            ("a whole module", saved(torch.nn.Linear(2, 2), name)),
        ):
            yield Case(
                f"{what} as .{suffix}",
                make,
                "never opened|not a readable file of torch",
                words=words,
            )
        yield Case(f".{suffix} named as the model", pickled(Payload(), name), "no model",
                   words=(*PREDICT, f"{{in}}/{name}"))  # fmt: skip
    words = ("models", "import", "{in}/m.pt", "-o", "{out}/m.safetensors", *IMPORT)
    yield Case("a zip with a pickle", zipped, "never opened|not a readable file", words=words)
    for what, content in (("empty", b""), ("text", b"hello"), ("a cut zip", b"PK\x03\x04" + bytes(40)),
                          ("a pickle cut", pickle.dumps(Payload())[:9]),
                          ("deep", b"\x80\x04" + b"(" * 200_000 + b"."),
                          ("memo bomb", b"\x80\x04" + b"]\x94" + b"h\x00h\x00\x86\x94" * 9 + b".")):  # fmt: skip
        yield Case(f"{what} as .pt", both(raster(), bytes_of(content, "m.pt")), "m.pt", words=words)
    yield Case("a list as .pt", saved([1, 2], "m.pt"), "no state dict", words=words)
    yield Case("other shapes as .pt", saved({"head.weight": torch.ones(1, 9, 1, 1)}, "m.pt"),
               "do not fit", words=words)  # fmt: skip
    for name in ("m.safetensors", "m.onnx"):
        yield Case(f"a pickle named {name}", pickled(Payload(), name), "not a readable|no geounet model card",
                   words=(*PREDICT, f"{{in}}/{name}"))  # fmt: skip


def header(text, size=None, body=b""):
    """The bytes of a safetensors file with a header of our own."""
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data) if size is None else size) + data + body


def model(content, name="m.safetensors"):
    """A maker of a raster and a model file."""
    return both(raster(), bytes_of(content, name))


def structure():
    """Files of safetensors that are cut, or whose header lies."""
    whole = save(WEIGHTS, {CARD_KEY: json.dumps(CARD)})
    huge = '{"a":{"dtype":"F32","shape":[1000000000000,4],"data_offsets":[0,16000000000000]}}'
    for what, content in {
        "empty": b"", "cut in its size": whole[:5], "cut in its header": whole[:60],
        "cut in its weights": whole[:-3], "longer than it says": whole + b"x",
        "a header of 2^63 bytes": header("{}", 2**63), "a header of 90 GB": header("{}", 90 * 10**9),
        "a header of 99 MB that is not there": header("{}", 99 * 10**6), "no JSON": header("hello"),
        "no UTF-8": header(b"\xff\xfe{}"), "a list": header("[]"), "a number": header("1"),
        "100,000 levels": header('{"a":' * 100_000 + "1" + "}" * 100_000),
        "tensors of 16 TB": header(huge), "shapes below zero": header(huge.replace("[1000000000000,4]", "[-1,4]")),
        "shapes that overflow": header(huge.replace("1000000000000", "18446744073709551615")),
        "tensors that overlap": header('{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},'
                                       '"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}', body=b"abc"),
        "an unknown type": header('{"a":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}}', body=b"abcd"),
        "text": b"hello world, this is no model at all",
    }.items():  # fmt: skip
        yield Case(what, model(content), "not a readable .safetensors file|no geounet model card",
                   words=(*PREDICT, "{in}/m.safetensors"))  # fmt: skip
    yield Case("no card", model(save(WEIGHTS)), "no geounet model card",
               words=(*PREDICT, "{in}/m.safetensors"))  # fmt: skip
    yield Case("a card that is no JSON", model(save(WEIGHTS, {CARD_KEY: "{"})), "cannot be understood",
               words=(*PREDICT, "{in}/m.safetensors"))  # fmt: skip
    yield Case("a card of 100,000 levels", model(save(WEIGHTS, {CARD_KEY: "[" * 100_000})), "cannot be understood",
               words=(*PREDICT, "{in}/m.safetensors"))  # fmt: skip
    yield Case("a folder named so", both(raster(), lambda f: (f / "m.safetensors").mkdir()), "no model",
               words=(*PREDICT, "{in}/m.safetensors"))  # fmt: skip


MISSING = object()
FIELDS = {
    "name": (MISSING, 7, None, []),
    "network": (MISSING, 7, "no such", "smp:Unet/nothing", "smp:../x", None),
    "network_options": ({"filters": [10**7] * 9}, {"bands": 4}, {"bands": 10**9}, {"evil": 1}, [], "x", {"classes": "many"}),
    "bands": ("rgb", [], ["red"], [1, 2, 3], None, ["red"] * 3000),
    "dtype": ("object", 7, "float7", ""),
    "input_range": ([0], [255, 0], ["a", "b"], [None, 1], "0,255", [0, float("nan")], [0, float("inf")]),
    "scaling": ("tile", 7, None),
    "mean": ([0.5], ["a"] * 3, "abc", [float("nan")] * 3, None),
    "std": ([0.5], [0, 0, 0], [-1] * 3, [float("nan")] * 3, [float("inf")] * 3),
    "gsd": (0, -1, "0.3", float("nan"), float("inf"), None, 1e-300),
    "classes": ([], "building", [7], None, ["a"] * 300),
    "layers": ([], ["coverage"], [7], [""], ["../../x"], ["a\0b"], ["x" * 5000], ['a"b; DROP TABLE']),
    "threshold": (0, 1, -1, float("nan"), "0.5", None),
    "min_area_m2": (-1, "8", float("nan"), float("inf"), None),
    "stride": (0, -2, 1.5, "2", None, 10**9),
    "receptive_field": (-1, "9", 1.5, float("nan")),
    "seams": ({"x": 1}, {"8": -1}, {"8": "a"}, [], {"8": float("nan")}),
    "bytes_per_pixel": (-1, "9", float("nan"), 10**15),
    "tile": (-1, "9", 1.5),
    "batch": (-1, "9", 1.5),
    "surprise": (1,),
}  # fmt: skip
"""Fields of a card with values that are none."""


def cards():
    """Cards whose fields are missing, of other types, or no numbers."""
    for field, values in FIELDS.items():
        for value in values:
            changed = {**CARD, field: value}
            if value is MISSING:
                del changed[field]
            said = "missing" if value is MISSING else ascii(value)[:30]
            content = save(WEIGHTS, {CARD_KEY: json.dumps(changed)})
            yield Case(
                f"{field} is {said}", model(content), "", words=(*PREDICT, "{in}/m.safetensors")
            )
    for what, weights in {
        "none": {}, "other names": {"x": np.ones(1)}, "other shapes": {**WEIGHTS, "head.bias": np.ones(9)},
        "one missing": {"head.weight": WEIGHTS["head.weight"]}, "one more": {**WEIGHTS, "x": np.ones(1)},
    }.items():  # fmt: skip
        yield Case(f"weights: {what}", model(save(weights, {CARD_KEY: json.dumps(CARD)})), "do not fit",
                   words=(*PREDICT, "{in}/m.safetensors"))  # fmt: skip
    lost = {name: np.full_like(value, np.nan) for name, value in WEIGHTS.items()}
    yield Case("weights that are no numbers", model(save(lost, {CARD_KEY: json.dumps(CARD)})), "not finite",
               words=(*PREDICT, "{in}/m.safetensors"))  # fmt: skip


def graph(bands=3, classes=1, *, edge="s", location=None):
    """The bytes of an ONNX graph of one 1 × 1 convolution."""
    weight = numpy_helper.from_array(np.ones((classes, bands, 1, 1), np.float32), "w")
    if location is not None:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("length", "12")):
            weight.external_data.add(key=key, value=value)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"]), helper.make_node("Sigmoid", ["y"], ["p"])]
    ins = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", bands, edge, edge])]
    outs = [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", classes, edge, edge])]
    made = helper.make_model(
        helper.make_graph(nodes, "g", ins, outs, [weight]),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    made.ir_version = 9
    return made.SerializeToString()


def graphs():
    """ONNX files that read others, do not fit their card, or are none."""
    card = {CARD_KEY: json.dumps({**CARD, "network": "onnx"})}
    for what, says, content in (
        (
            "external data outside",
            "keeps weights in other files",
            with_metadata(graph(location="/etc/hostname"), card),
        ),
        (
            "external data beside",
            "keeps weights in other files",
            with_metadata(graph(location="a.tif"), card),
        ),
        (
            "external data above",
            "keeps weights in other files",
            with_metadata(graph(location="../../x"), card),
        ),
        ("no card", "no geounet model card", graph()),
        ("two bands", "", with_metadata(graph(bands=2), card)),
        ("three classes", "its card says", with_metadata(graph(classes=3), card)),
        ("one tile size", "its card says", with_metadata(graph(edge=7), card)),
        ("cut", "not a readable|cannot", with_metadata(graph(), card)[:80]),
        ("no graph", "", with_metadata(b"", card)),
        ("a card that is none", "cannot be understood", with_metadata(graph(), {CARD_KEY: "{"})),
        ("metadata that are no text", "", graph() + b"\x72\x06\x0a\x01\xff\x12\x01\xff"),
    ):
        yield Case(f"ONNX: {what}", model(content, "m.onnx"), says, words=(*PREDICT, "{in}/m.onnx"))
    words = ("models", "import", "{in}/m.onnx", "-o", "{out}/m.onnx", "--gsd", "0.3", "--classes", "house",
             "--mean", "0,0,0", "--std", "1,1,1")  # fmt: skip
    for what, says, content in (
        ("external data outside", "not a usable", graph(location="/etc/hostname")),
        ("junk", "", b"\x08\x09hello"),
        ("empty", "", b""),
        ("a text", "", b"hello, world; no graph here"),
        (
            "metadata that run code",
            "",
            with_metadata(graph(), {"class_names": "__import__('os').system('touch marker')"}),
        ),
        ("metadata of 100,000 levels", "", with_metadata(graph(), {"class_names": "[" * 100_000})),
        ("metadata of the wrong kind", "", with_metadata(graph(), {"resolution": '"fine"'})),
        ("a resolution of NaN", "", with_metadata(graph(), {"resolution": "NaN"})),
        ("a threshold of 7", "", with_metadata(graph(), {"seg_thresh": "7"})),
        ("a detector", "is a Detector", with_metadata(graph(), {"model_type": '"Detector"'})),
    ):
        more = (
            words
            if "resolution" not in what
            else tuple(w for w in words if w not in ("--gsd", "0.3"))
        )
        yield Case(f"import of ONNX: {what}", model(content, "m.onnx"), says, words=more)


CASES = [*code(), *structure(), *cards(), *graphs()]
