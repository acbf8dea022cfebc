"""How a command runs: standard output is its own, errors end as one message and an exit status."""

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import typer
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from telemetry_platform.cli.console import console, errors
from telemetry_platform.errors import TelemetryError

INTERRUPTED = 130


class Command(TyperCommand):
    """Keeps standard output for what the command itself writes: a library's prints go to stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with console.writing_to(sys.stdout), redirect_stdout(sys.stderr):
            return super().invoke(ctx)


class Group(TyperGroup):
    """The whole program: prints a TelemetryError's message instead of its traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program on a standard output that nothing else writes to."""
        _keep_stdout()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; exit 1 on a TelemetryError, 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except TelemetryError as error:
            errors.print(Text(f"{type(error).__name__}: ", style="bold red"), end="")
            errors.print(str(error), soft_wrap=True)
            sys.exit(1)
        except KeyboardInterrupt:
            errors.print("Interrupted. Nothing is half done: run the command again.")
            sys.exit(INTERRUPTED)


class Commands(typer.Typer):
    """A Typer whose commands are `Command`s."""

    def command(self, name: str | None = None, **options: Any) -> Callable[..., Any]:
        """Register a command."""
        return super().command(name, **{"cls": Command, **options})


def _keep_stdout() -> None:
    """Point descriptor 1 at stderr, and keep the one it was for our own output alone.

    A JVM writes its warnings to the descriptor it inherits as 1, and so do libraries below Python; between
    the lines of `--json` they would make it unreadable. What stands in for standard output in a test stays.
    """
    stream = sys.stdout
    try:
        if stream is None or stream.fileno() != 1:
            return
    except OSError:
        return
    stream.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # stderr is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # What the terminal's encoding lacks is escaped: a player's name must not end the command.
    sys.stdout = os.fdopen(
        kept, "w", buffering=1 if os.isatty(kept) else -1, encoding=stream.encoding, errors="backslashreplace"
    )
