"""What a shell offers when a value is half typed: files, and names that are known.

Files come first, as click's lines for bash begin anew at them; bash takes them where no name fits.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    Offer = list[CompletionItem]


def files(_: click.Context, __: click.Parameter, typed: str) -> Offer:
    """Offer files."""
    return [CompletionItem(typed, type="file")]


def models(ctx: click.Context, param: click.Parameter, typed: str) -> Offer:
    """Offer bundled models, baselines, and files."""
    from geounet.model import BASELINES, bundled_models

    return files(ctx, param, typed) + _named([*bundled_models(), *BASELINES], typed)


def trained(ctx: click.Context, param: click.Parameter, typed: str) -> Offer:
    """Offer bundled models, and files."""
    from geounet.model import bundled_models

    return files(ctx, param, typed) + _named(bundled_models(), typed)


def recipes(_: click.Context, __: click.Parameter, typed: str) -> Offer:
    """Offer recipes."""
    from geounet.training.recipes import RECIPES

    return _named(RECIPES, typed)


def everything(ctx: click.Context, param: click.Parameter, typed: str) -> Offer:
    """Offer models, baselines, recipes, networks, and files."""
    from geounet.networks.catalogue import NETWORKS

    found = models(ctx, param, typed) + recipes(ctx, param, typed) + _named(NETWORKS, typed)
    return list({(each.value, each.type): each for each in found}.values())


def footprints(ctx: click.Context, param: click.Parameter, typed: str) -> Offer:
    """Offer files, and behind a point the kinds of files of footprints."""
    from geounet.footprints.formats import SUFFIXES

    name = typed.rpartition(".")[0]
    kinds = [f"{name}{suffix}" for suffix in SUFFIXES if Path(name).name]
    return files(ctx, param, typed) + _named(kinds, typed)


def _named(names: Iterable[str], typed: str) -> Offer:
    return [CompletionItem(name) for name in names if name.startswith(typed)]
