"""`telemetry doctor`, `up`, `down`, `status` and `reset`."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as RichTable
from rich.text import Text

from telemetry_platform.cli.console import console, errors, print_json, report
from telemetry_platform.errors import SettingsError
from telemetry_platform.local import stack
from telemetry_platform.local.doctor import Finding, examine
from telemetry_platform.settings import current_settings

SERVICE_NAMES = frozenset({"broker", "warehouse", "collector", "bronze", "dagster"})
# What the stack made under its home; a folder of the user's own that happens to be there stays.
STATE = (
    "lake",
    "kafka",
    "warehouse",
    "dagster",
    "simulator",
    "logs",
    "run",
    "games",
    "keys",
    "imports",
    "spark-warehouse",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def doctor(as_json: AsJson = False) -> None:
    """Say what this machine lacks and how to get it; exit 1 when something required is missing.

    Example: telemetry doctor
    """
    findings = examine(current_settings())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        table = RichTable("", "What", "Found", "Remedy")
        for finding in findings:
            table.add_row(_mark(finding), finding.name, finding.found, "" if finding.ok else finding.remedy)
        console.print(table)
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)


def _mark(finding: Finding) -> Text:
    if finding.ok:
        return Text("ok", style="green")
    return Text("missing", style="red") if finding.required else Text("optional", style="yellow")


def up(
    without: Annotated[list[str] | None, typer.Option(help="A service to leave out; may be repeated.")] = None,
) -> None:
    """Start the local stack and wait until it works; what runs already is left alone.

    Example: telemetry up --without dagster
    """
    chosen = frozenset(without or ())
    if not chosen <= SERVICE_NAMES:
        raise SettingsError(f"--without takes one of {', '.join(sorted(SERVICE_NAMES))}.")
    with errors.status("starting the stack"):
        stack.up(current_settings(), without=chosen, report=report)
    console.print("The stack is up. `telemetry status` shows it, `telemetry down` ends it.")


def down() -> None:
    """End the local stack; its data stays.

    Example: telemetry down
    """
    stack.down(current_settings(), report=report)
    console.print("The stack is down.")


def status(as_json: AsJson = False) -> None:
    """Show each process of the stack with its address and health; exit 1 when one is not healthy.

    Example: telemetry status --json
    """
    found = stack.status(current_settings())
    if as_json:
        print_json([asdict(service) for service in found])
    else:
        table = RichTable("Service", "Address", "Pid", "Health")
        for service in found:
            health = Text("healthy", style="green") if service.healthy else Text("down", style="red")
            table.add_row(service.name, service.url, str(service.pid or "-"), health)
        console.print(table)
    if not all(service.healthy for service in found):
        raise typer.Exit(1)


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """End the stack and remove its data and state: the lake, the topics, the warehouse, games and keys.

    Example: telemetry reset --yes
    """
    settings = current_settings()
    doomed = [settings.home / name for name in STATE if (settings.home / name).exists()]
    if not doomed:
        console.print(f"There is nothing to clear in {settings.home}.", soft_wrap=True)
        return
    errors.print(f"This removes from {settings.home}: {', '.join(path.name for path in doomed)}.", soft_wrap=True)
    if not Path(settings.lake).is_relative_to(settings.home):
        errors.print(
            f"The lake {settings.lake} is not under it and stays; its checkpoint will not fit the new topics: "
            "clear it too, or point TELEMETRY_LAKE elsewhere.",
            soft_wrap=True,
        )
    if not yes and not typer.confirm("Clear them?", err=True):
        raise typer.Exit(1)
    stack.down(settings)
    for name in STATE:
        shutil.rmtree(settings.home / name, ignore_errors=True)
    console.print("Cleared.")
