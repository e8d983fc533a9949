"""The command line → a page: usage, meaning and options of each command, as `--help` has them."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING

import click
from geounet.cli.main import geounet
from prose import join, table

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# Commands

```sh
geounet --help
geounet predict --help
```

Every command and option, written from the program itself. Exit codes: 0 done, 1 failed, 2 wrong
usage or unusable input, 3 something was left out, 130 interrupted, 143 terminated. The answer goes
to stdout, everything else to stderr.
"""


def page() -> str:
    """Return docs/reference/commands.md."""
    context = click.Context(geounet, info_name="geounet")
    found = [
        each for name in geounet.list_commands(context) for each in _named(geounet, context, name)
    ]
    links = [f"[`{path}`](#geounet-{path.replace(' ', '-')})" for path, _ in found]
    return join([HEAD, " · ".join(links), *(line for _, lines in found for line in lines)])


def _named(
    group: click.Group, context: click.Context, name: str
) -> Iterator[tuple[str, list[str]]]:
    """A command, and those below it, each with its lines."""
    command = group.get_command(context, name)
    assert command is not None
    inner = click.Context(command, parent=context, info_name=name)
    path = inner.command_path
    yield path.replace("geounet ", ""), ["", f"## `{path}`", "", *_command(command, inner)]
    if isinstance(command, click.Group):
        for below in command.list_commands(inner):
            yield from _named(command, inner, below)


def _command(command: click.Command, context: click.Context) -> list[str]:
    text, _, example = cleandoc(command.help or "").partition("Example: ")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    rows = [_option(each, context) for each in command.params if isinstance(each, click.Option)]
    asked = "" if isinstance(command, click.Group) else f"`{usage}`"
    shown = f"Example: `{' '.join(example.split())}`" if example else ""
    return [
        text.strip(),
        "",
        asked,
        "",
        shown,
        *table(("option", "value", "default", "what it says"), rows),
    ]


def _option(option: click.Option, context: click.Context) -> tuple[str, str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f"`{option.make_metavar(context)}`"
    told = re.fullmatch(r"(.*?)(?:\s+\[([^]]+)\])?", cleandoc(option.help or ""), re.DOTALL)
    assert told is not None
    given = option.get_default(context) if option.show_default else None
    default = _value(given) or told[2] or ("required" if option.required else "")
    return names, value + (" …" if option.multiple else ""), default, told[1]


def _value(given: object) -> str:
    values = given if isinstance(given, tuple) else (given,)
    return ", ".join(f"`{value}`" for value in values if value is not None)
