"""`--config`: the options of a command in a TOML file; a flag that was typed wins over it."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Told = dict[str, Any]

Command = TypeVar("Command", bound="Callable[..., Any]")

TYPED_ONLY = ("config", "help", "verbose")
"""Options that count before a file is read."""


def configured(command: Command) -> Command:
    """Give a command the option `--config`."""
    option = click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_take_over,
        help="File with options by their names, as in min-area = 12 (.toml); what is typed wins.",
    )
    return option(command)


def _take_over(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Let what a file says stand where nothing is typed."""
    if path is None:
        return
    known = dict(_known(ctx.command))
    told = {}
    for name, value in _own(path, str(ctx.command.name)).items():
        option = known.get(name.replace("_", "-"))
        if option is None:
            raise click.UsageError(f"{path}: {_unknown(name, known)}")
        if option.name in told:
            raise click.UsageError(f"{path}: {name} stands there twice; take one of them out")
        told[str(option.name)] = _value(ctx, option, value, f"{path}: {name}")
    ctx.default_map = told


def _known(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    """Yield the long names of a command's options, without dashes before them."""
    for option in command.params:
        if isinstance(option, click.Option):
            long = (word.removeprefix("--") for word in option.opts if word.startswith("--"))
            yield from ((name, option) for name in long if name not in TYPED_ONLY)


def _unknown(name: str, known: dict[str, click.Option]) -> str:
    if name in TYPED_ONLY:
        return f"{name} counts before a file is read; type --{name}"
    near = get_close_matches(name.replace("_", "-"), known, 1) or sorted(known)
    return f"unknown name {name!r}; known: {', '.join(near)}"


def _own(path: Path, command: str) -> Told:
    """Return what a file says to a command: what stands at its top, and in the command's table."""
    from .main import COMMANDS

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # UTF-8's too
        raise click.UsageError(f"{path}: is no TOML ({error})") from error
    tables = {name: found.pop(name) for name in COMMANDS if isinstance(found.get(name), dict)}
    return {**found, **tables.get(command, {})}


def _value(ctx: click.Context, option: click.Option, value: Any, where: str) -> Any:
    """Return what a value means, checked as if it had been typed."""
    if isinstance(value, bool) != option.is_flag:
        expected = "true or false" if option.is_flag else "a value, as the flag takes it"
        raise click.UsageError(f"{where}: is {_words(value)} (expected {expected})")
    if option.is_flag:
        return value
    typed = _typed(value, where) if option.multiple else ",".join(_typed(value, where))
    try:
        option.type_cast_value(ctx, typed)
    except click.BadParameter as error:
        raise click.UsageError(f"{where}: {error.message}") from error
    return typed


def _typed(value: Any, where: str) -> list[str]:
    """Return the words that would be typed for a value."""
    words = value if isinstance(value, list) else [value]
    for word in words:
        if isinstance(word, bool) or not isinstance(word, str | int | float):
            raise click.UsageError(
                f"{where}: is or holds {_words(word)} (expected text, numbers, or a list of them)"
            )
    return [str(word) for word in words]


def _words(value: Any) -> str:
    kinds = {bool: str(value).lower(), dict: "a table", list: "a list"}
    return kinds.get(type(value), repr(value))
