"""Puts the commands together; every TelemetryError ends as one message and exit status 1."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from telemetry_platform.cli import demo, games, imports, materialize, query, schemas, simulate, stack, tail, verify
from telemetry_platform.cli.console import errors
from telemetry_platform.errors import TelemetryError


class _Group(TyperGroup):
    """Prints a TelemetryError's message instead of its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TelemetryError as error:
            errors.print(f"[bold red]{type(error).__name__}[/]: ", end="")
            errors.print(str(error), markup=False, highlight=False)
            sys.exit(1)
        except KeyboardInterrupt:
            errors.print("Interrupted. Nothing is half done: run the command again.")
            sys.exit(130)


app = typer.Typer(
    cls=_Group, no_args_is_help=True, pretty_exceptions_enable=False, help="The game-telemetry lakehouse."
)
for command in (
    stack.doctor,
    demo.demo,
    stack.up,
    stack.down,
    stack.status,
    stack.reset,
    tail.tail,
    simulate.simulate,
    materialize.materialize,
    query.sql,
    query.lake,
    verify.verify,
):
    app.command()(command)
app.command("import")(imports.import_events)
app.add_typer(games.app, name="games", help="The registry of games and their keys.")
app.add_typer(schemas.app, name="schemas", help="The events a game may send, and what was released of them.")
