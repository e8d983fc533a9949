"""The `geounet` command: finds the subcommand, turns errors into one line and an exit code."""

from __future__ import annotations

import logging
import signal
import sys
import traceback
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

import click

from geounet import __version__
from geounet.errors import GeounetError, GeounetWarning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

COMMANDS = {
    "predict": "Building footprints from rasters: the main job.",
    "vectorize": "Footprints from a mask or probability raster.",
    "train": "Train a network on labelled imagery.",
    "models": "Bundled models and recipes.",
    "sample": "Write the sample scenes with their truth.",
    "doctor": "Versions, device, threads: one paste for a bug report.",
}
INTERRUPTED, TERMINATED = 130, 143


class Terminated(BaseException):
    """SIGTERM came: unwind, so that nothing half-written is left."""


class Lazy(click.Group):
    """A group that imports a subcommand's file when the subcommand is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __package__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="geounet")
def geounet() -> None:
    """Building footprints from aerial and satellite rasters too large for memory.

    Example: geounet predict big.tif --out buildings.gpkg
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        0 done, 1 failed, 2 wrong usage or unusable input, 130 interrupted, 143 terminated.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verbose = bool({"-v", "--verbose"} & set(words))
    logging.basicConfig(level=logging.WARNING, format="geounet: %(message)s", force=True)
    logging.getLogger("geounet").setLevel(logging.INFO if verbose else logging.WARNING)
    if not verbose:
        sys.excepthook = _last_resort
    with warnings.catch_warnings():
        warnings.simplefilter("default" if verbose else "ignore")
        warnings.simplefilter("always", GeounetWarning)
        warnings.showwarning = _show_warning
        return _run(words, verbose=verbose)


def _run(words: list[str], *, verbose: bool) -> int:
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        geounet.main(words, prog_name="geounet", standalone_mode=False)
    except click.exceptions.Exit as end:
        return int(end.exit_code)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except GeounetError as error:
        if verbose:
            traceback.print_exc()
        return _say(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted; nothing was left behind", INTERRUPTED)
    except Terminated:
        return _say("terminated; nothing was left behind", TERMINATED)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _terminate(*_: object) -> None:
    raise Terminated


def _say(message: str, code: int) -> int:
    click.echo(f"geounet: error: {' '.join(message.split())}", err=True)
    return code


def _last_resort(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    """What nobody foresaw is one line too."""
    _say(f"{kind.__name__}: {error}; this is a bug in geounet, -v shows where", 1)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del file, line
    where = "" if issubclass(category, GeounetWarning) else f" ({filename}:{lineno})"
    click.echo(f"geounet: warning: {message}{where}", err=True)


if __name__ == "__main__":
    sys.exit(main())
