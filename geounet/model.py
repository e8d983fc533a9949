"""A model: its card, its network, and the one file they live in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geounet.card import ModelCard
from geounet.errors import ModelError
from geounet.modelfile import (
    ONNX_SUFFIX,
    SUFFIX,
    brief,
    read_text,
    read_tile,
    read_weights,
    write_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

BASELINES = {
    "otsu": "what is brighter than one threshold of the scene",
    "edges": "what edges enclose, gaps closed, up to 30 m wide",
    "watershed": "what floods from bright places before it floods from dark ones",
}
"""Names that a run takes for a model though there are no weights; see the room `baselines`."""


class Unbuilt:
    """A network that is built of its file when it is first asked for: only then is torch needed."""

    def __init__(self, card: ModelCard, path: Path) -> None:
        """Read nothing yet."""
        self._card, self._path = card, path

    @cached_property
    def network(self) -> nn.Module:
        """The torch module, in evaluation mode, always the same one.

        Raises:
            ModelError: the weights cannot be read, or do not fit the card.
        """
        return _built(self._card, self._path)


@dataclass(frozen=True)
class Segmenter:
    """A network with its card."""

    card: ModelCard
    """What it expects and gives."""
    module: nn.Module | Unbuilt
    """The torch module, in evaluation mode, or how one comes by it."""
    path: Path | None = None
    """File it was read from."""

    @property
    def network(self) -> nn.Module:
        """The torch module, in evaluation mode."""
        return self.module.network if isinstance(self.module, Unbuilt) else self.module

    @property
    def is_as_stored(self) -> bool:
        """Whether the network is that of its file; one that was handed out may have changed."""
        return isinstance(self.module, Unbuilt)

    def with_card(self, **changes: Any) -> Segmenter:  # noqa: ANN401
        """Return the same network under a changed card."""
        return replace(self, card=replace(self.card, **changes))


@dataclass(frozen=True)
class OnnxModel:
    """A network as an ONNX graph with its card: nothing in it needs torch."""

    card: ModelCard
    """What it expects and gives."""
    path: Path
    """The `.onnx` file."""

    def with_card(self, **changes: Any) -> OnnxModel:  # noqa: ANN401
        """Return the same graph under a changed card."""
        return replace(self, card=replace(self.card, **changes))


def bundled_models() -> dict[str, Path]:
    """Return the models that come with the package, by name."""
    folder = Path(str(resources.files("geounet.weights")))
    return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def find_model(name: str | Path) -> Path:
    """Return the file of a bundled name or a path.

    Raises:
        ModelError: when there is neither.
    """
    models = bundled_models()
    if str(name) in models:
        return models[str(name)]
    path = Path(name)
    if path.suffix in (SUFFIX, ONNX_SUFFIX) and path.is_file():
        return path
    if str(name) in BASELINES:
        raise ModelError(
            f"{name} is a baseline without weights; predict, stream and verify run it, "
            f"for all else name a model: {', '.join(models)}"
        )
    known = ", ".join(models) or "none is bundled"
    raise ModelError(
        f"no model {str(name)!r}; bundled: {known}, or a path to a {SUFFIX} or {ONNX_SUFFIX} file"
    )


def read_card(name: str | Path) -> ModelCard:
    """Return the card of a model without reading its weights.

    Raises:
        ModelError: when the file is no model of ours.
    """
    path = find_model(name)
    return _card(read_text(path), path)


def open_model(name: str | Path) -> Segmenter | OnnxModel:
    """Return the model of a bundled name or a file, whose weights are not read yet.

    Raises:
        ModelError: there is none, or it has no card of ours; the suffix says of which kind it is.
    """
    path = find_model(name)
    card = read_card(path)
    if path.suffix == ONNX_SUFFIX:
        return OnnxModel(card, path)
    return Segmenter(card, Unbuilt(card, path), path)


def load_model(name: str | Path) -> Segmenter:
    """Return a bundled model by name, or the one in a `.safetensors` file.

    Raises:
        ModelError: when there is none, or the file is no model of ours. Nothing that a file
            holds is ever run: safetensors holds numbers, the card is JSON.
    """
    path = find_model(name)
    if path.suffix == ONNX_SUFFIX:
        raise ModelError(f"{path}: an ONNX graph has no weights to go on with; pass its {SUFFIX}")
    card = read_card(path)
    return Segmenter(card, _built(card, path), path)


def check_network(card: ModelCard, network: nn.Module, path: Path) -> None:
    """Refuse a network that takes or gives something else than its card says.

    Raises:
        ModelError: other bands, or maps that are not those of its classes.
    """
    from geounet.networks.registry import excludes  # noqa: PLC0415

    bands, maps = (getattr(network.options, name, None) for name in ("bands", "classes"))
    if bands != len(card.bands):
        raise ModelError(
            f"{path}: card has {len(card.bands)} bands, its network takes {bands}; get it again"
        )
    if maps not in (len(card.classes), len(card.classes) + excludes(network)):
        raise ModelError(
            f"{path}: card has {len(card.classes)} classes, its network {maps} maps; get it again"
        )


def read_golden(name: str | Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Return the golden tile `(bands, h, w)` and its expected quantised output, if there is one."""
    return read_tile(find_model(name))


def save_model(
    path: Path,
    segmenter: Segmenter,
    golden: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
) -> None:
    """Write network and card into one file.

    Args:
        path: where to; the caller stages it.
        segmenter: what to write.
        golden: a tile of raw pixels and its expected quantised output, for `models show --check`.
    """
    state = segmenter.network.state_dict()
    tensors = {name: value.detach().cpu().contiguous().numpy() for name, value in state.items()}
    write_file(path, segmenter.card.to_json(), tensors, golden)


def _built(card: ModelCard, path: Path) -> nn.Module:
    from geounet.networks.registry import build, total_stride  # noqa: PLC0415

    tensors = read_weights(path)
    try:
        # the weights are here: the file must not send us to the network for others
        network = build(card.network, card.network_options, fetch=False)
    except (ModelError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{path}: network {card.network} cannot be built ({brief(error)}); see models list"
        ) from error
    check_network(card, network, path)
    try:
        network.load_state_dict(_as_torch(tensors))
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"{path}: weights do not fit network {card.network} ({first[:160]}); get it again"
        ) from error
    if card.stride % total_stride(network):
        raise ModelError(f"{path}: card says stride {card.stride}, network {total_stride(network)}")
    return network.eval()


def _card(text: str, path: Path) -> ModelCard:
    try:
        return ModelCard.from_json(text)
    except ModelError as error:
        raise ModelError(
            f"{path}: {error}; it was not written by this version of geounet"
        ) from error


def _as_torch(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    return {name: torch.from_numpy(value.copy()) for name, value in tensors.items()}
