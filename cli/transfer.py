"""`geounet models export` and `import`: models to and from other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .kinds import Auto, Numbers
from .known import trained

NUMBERS = Numbers(float)
SPAN = Numbers(float, count=2)


class Pair(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A name and a value: JSON, or else text."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the pair."""
        key, equals, text = value.partition("=")
        if not (key and equals):
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        try:
            return key, json.loads(text)
        except ValueError:
            return key, text


@click.command("export")
@click.argument("name", shell_complete=trained)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="File to write, .onnx."
)
@click.option(
    "--tile", type=Auto("free"), default=512, show_default=True,
    help="Edge of its input; free: any, which QGIS plugins don't take.",
)  # fmt: skip
@click.option("-f", "--overwrite", is_flag=True, help="Replace an output that exists.")
def export_command(name: str, out: Path, **rest: Any) -> None:
    """Write a model as ONNX, with our card and the metadata of the QGIS plugin Deepness.

    Example: geounet models export buildings --out buildings.onnx
    """
    from geounet.transfer.export import export_model

    apart = export_model(name, out, **rest)
    click.echo(str(out))
    click.echo(f"geounet: ONNX Runtime gives the model's output within {apart:.1g}", err=True)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="File to write: .onnx from .onnx, .safetensors from .pt and .pth.",
)  # fmt: skip
@click.option("--gsd", type=float, help="Ground sample distance it is made for, metres.")
@click.option("--classes", help="Names of what it maps, separated by commas.")
@click.option("--bands", help="Names of its input's bands, in order.  [red,green,blue]")
@click.option("--mean", type=NUMBERS, help="Mean of each band, of values between 0 and 1.")
@click.option("--std", type=NUMBERS, help="Standard deviation of each band.")
@click.option("--range", "input_range", type=SPAN, help="Raw values that are 0 and 1.  [0,255]")
@click.option("--threshold", type=float, help="Probability from which a pixel is set.  [0.5]")
@click.option("--licence", help="Licence of the weights.  [unknown]")
@click.option(
    "--activation", type=click.Choice(["sigmoid", "softmax"]),
    help="What turns the output of an .onnx file into probabilities, where it gives none.",
)  # fmt: skip
@click.option("--network", help="Network of a .pt file, as `models list` names them.")
@click.option(
    "--option", "options", type=Pair(), multiple=True, help="Option of the network, repeated."
)
@click.option("-f", "--overwrite", is_flag=True, help="Replace an output that exists.")
def import_command(file: Path, out: Path, **rest: Any) -> None:
    """Make a model of an ONNX file of others, or of weights that torch saved.

    Example: geounet models import theirs.onnx --out theirs_here.onnx --gsd 0.25
    """
    from geounet.errors import OptionError
    from geounet.transfer.card import Words
    from geounet.transfer.graphs import import_graph

    network, activation, options = (rest.pop(key) for key in ("network", "activation", "options"))
    overwrite = rest.pop("overwrite")
    for key in ("classes", "bands"):
        rest[key] = _names(rest[key])
    words = Words(**rest, name=out.stem)
    if file.suffix.lower() == ".onnx":
        if network or options:
            raise OptionError("an .onnx file is its own network; leave --network and --option out")
        card = import_graph(file, out, words, activation, overwrite=overwrite)
    else:
        from geounet.transfer.states import SUFFIXES, import_state

        if file.suffix.lower() not in SUFFIXES:
            raise OptionError(f"{file}: unknown kind of model, expected .onnx, .pt or .pth")
        if activation:
            raise OptionError("--activation is for .onnx files; networks of ours give logits")
        card = import_state(file, out, words, network, dict(options), overwrite=overwrite)
    click.echo(str(out))
    click.echo(
        f"geounet: {', '.join(card.classes)} at {card.gsd:g} m from {', '.join(card.bands)}, "
        f"threshold {card.threshold:g}, licence {card.licence}",
        err=True,
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))
