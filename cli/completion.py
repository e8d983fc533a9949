"""`geounet completion`: what makes a shell complete commands, options and their values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
ASKED = "_GEOUNET_COMPLETE"
"""Variable by which the shell asks."""


@click.command("completion", short_help="Completion of commands and names in your shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the lines that make a shell complete commands, options, names and files.

    Example: geounet completion bash >> ~/.bashrc
    """
    from .main import geounet

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(geounet, {}, "geounet", ASKED).source())
