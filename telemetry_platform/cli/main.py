"""Puts the commands together."""

from telemetry_platform.cli import (
    demo,
    games,
    imports,
    maintain,
    materialize,
    query,
    rates,
    schemas,
    simulate,
    stack,
    tail,
    verify,
)
from telemetry_platform.cli.commands import Commands, Group

app = Commands(cls=Group, no_args_is_help=True, pretty_exceptions_enable=False, help="The game-telemetry lakehouse.")
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
app.command("maintain")(maintain.maintain_tables)
app.command("import")(imports.import_events)
app.add_typer(games.app, name="games", help="The registry of games and their keys.")
app.add_typer(rates.app, name="rates", help="Exchange rates, for money of other currencies than US dollars.")
app.add_typer(schemas.app, name="schemas", help="The events a game may send, and what was released of them.")
