"""ONNX files made by others: read whole, described by a card, tried once."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.errors import ModelError, OptionError
from geounet.modelfile import CARD_KEY, ONNX_SUFFIX
from geounet.onnxfile import with_metadata
from geounet.outputs import check_target, staged
from geounet.transfer.card import BANDS, Words, make_card
from geounet.transfer.deepness import words as said

if TYPE_CHECKING:
    from pathlib import Path

    from geounet.card import ModelCard

ACTIVATIONS = {"sigmoid": "Sigmoid", "softmax": "Softmax"}
FREE_STRIDE = 32
"""Tile origins of a graph that takes any size: what most encoders want."""


def import_graph(
    file: Path,
    out: Path,
    words: Words,
    activation: str | None = None,
    *,
    overwrite: bool = False,
) -> ModelCard:
    """Write an ONNX file of others with a card, from its metadata and what the user says.

    Args:
        file: `.onnx`; weights in files beside it are taken in.
        out: `.onnx` to write.
        words: from the user.
        activation: sigmoid or softmax, for a graph that ends in logits.
        overwrite: replace what is there.

    Raises:
        ModelError: it is no graph that segments, or nobody says what it expects.
    """
    check_target(out, inputs=[file], overwrite=overwrite, suffixes=(ONNX_SUFFIX,))
    model = _opened(file)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if CARD_KEY in entries:
        raise ModelError(f"{file}: has a card of geounet; use it as it is: -m {file}")
    given, made = _shape(model.graph.input, file), _shape(model.graph.output, file)
    if len(given) != 4 or len(made) not in (3, 4) or not isinstance(given[1], int):  # noqa: PLR2004
        raise ModelError(
            f"{file}: takes {given} and gives {made}, expected (batch, bands, height, width) with "
            "a number of bands, and (batch, classes, height, width)"
        )
    channels = made[1] if len(made) == 4 else 1  # noqa: PLR2004
    if not isinstance(channels, int):
        raise ModelError(f"{file}: gives {made}, expected a number of classes; export it so")
    if activation == "softmax" and channels == 1:
        raise OptionError(f"{file}: has one channel, softmax compares several; pass sigmoid")
    card = _card(file, words, said(entries, channels, file), given)
    _check_range(*_tried(model, card, file), file, activation)
    if activation is not None:
        _end_in(model, ACTIVATIONS[activation], axis=1)
        _check_range(*_tried(model, card, file), file, None)
    with staged(out) as path:
        path.write_bytes(with_metadata(model.SerializeToString(), {CARD_KEY: card.to_json()}))
    return card


def _opened(file: Path) -> Any:  # noqa: ANN401 - the package has no types of its own
    """The graph with all its weights; those outside its folder are never read."""
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise ModelError(f"import needs the package {package}; pip install 'geounet[onnx]'")
    import onnx  # noqa: PLC0415
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        model = onnx.load(file)  # refuses weights that lie outside the file's folder
        for tensor in model.graph.initializer:
            tensor.ClearField("external_data")
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, DecodeError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "empty"
        raise ModelError(
            f"{file}: not a usable {ONNX_SUFFIX} file ({first[:160]}); export it again"
        ) from error
    return model


def _shape(ends: Any, file: Path) -> tuple[int | str, ...]:  # noqa: ANN401
    if len(ends) != 1:
        raise ModelError(f"{file}: its graph has {len(ends)} inputs or outputs, expected one each")
    return tuple(
        size.dim_value if size.dim_value > 0 else size.dim_param or "?"
        for size in ends[0].type.tensor_type.shape.dim
    )


def _end_in(model: Any, operation: str, axis: int) -> None:  # noqa: ANN401
    """Put an operation after the output, which keeps its name."""
    import onnx  # noqa: PLC0415

    name = model.graph.output[0].name
    logits = f"{name}_logits"
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [logits if each == name else each for each in names]
    node = onnx.helper.make_node(operation, [logits], [name])
    if operation == "Softmax":
        node.attribute.append(onnx.helper.make_attribute("axis", axis))
    model.graph.node.append(node)


def _card(
    file: Path, words: Words, found: dict[str, Any], given: tuple[int | str, ...]
) -> ModelCard:
    batch, bands, *edges = given
    assert isinstance(bands, int)
    fixed = all(isinstance(edge, int) for edge in edges)
    if fixed and edges[0] != edges[1]:
        raise ModelError(f"{file}: takes tiles of {edges[0]} × {edges[1]}, expected square ones")
    if bands in BANDS:
        found.setdefault("bands", BANDS[bands])
    for name, nothing in (("mean", 0.0), ("std", 1.0)):  # what the plugin takes without its keys
        found.setdefault(name, (nothing,) * bands)
    card = make_card(
        words, found, file, ("gsd", "classes", "bands"),
        network="onnx",
        tile=edges[0] if fixed else 0,
        batch=batch if isinstance(batch, int) else 0,
        stride=1 if fixed else FREE_STRIDE,
    )  # fmt: skip
    if len(card.bands) != bands:
        raise OptionError(f"{file}: its graph takes {bands} bands, got {', '.join(card.bands)}")
    return card


def _tried(model: Any, card: ModelCard, file: Path) -> tuple[float, float]:  # noqa: ANN401
    """Run the graph once; return its smallest and its largest value."""
    from geounet.backends.onnx import OnnxStep  # noqa: PLC0415 - a package of an extra

    edge, batch = card.tile or 4 * FREE_STRIDE, card.batch or 1
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (batch, len(card.bands), edge, edge)).astype(np.uint8)
    step = OnnxStep(model.SerializeToString(), card)
    maps = step(pixels, np.ones((batch, edge, edge), bool))["probability"]
    if maps.shape != (batch, len(card.classes), edge, edge):
        raise ModelError(
            f"{file}: gives maps of {maps.shape[2:]} for tiles of {edge} pixels, expected one "
            "value a pixel"
        )
    return float(maps.min()), float(maps.max())


def _check_range(low: float, high: float, file: Path, activation: str | None) -> None:
    """Refuse what is no probability, unless it is to become one, and what is one already."""
    is_probability = low >= 0 and high <= 1
    if is_probability and activation is not None:
        raise OptionError(f"{file}: gives probabilities already; leave --activation out")
    if not is_probability and activation is None:
        raise ModelError(
            f"{file}: gives values from {low:.3g} to {high:.3g}, expected probabilities; pass "
            "--activation sigmoid or softmax"
        )
