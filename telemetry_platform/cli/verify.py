"""`telemetry verify`: gold, in the lake and in the warehouse, against the simulator's truth."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from telemetry_platform.cli.console import console, print_json
from telemetry_platform.cli.query import ask_lake, ask_warehouse
from telemetry_platform.errors import VerificationError
from telemetry_platform.settings import Settings, current_settings
from telemetry_platform.simulator.manifest import read_manifests
from telemetry_platform.simulator.truth import expected_kpis

SHOWN_DIFFERENCES = 10
SECONDS_TOLERANCE = Decimal("0.000001")


@dataclass(frozen=True)
class Difference:
    """One number that is not what was planted."""

    where: str
    game_id: str
    day: str
    metric: str
    expected: str
    found: str


@dataclass(frozen=True)
class Verdict:
    """How many numbers were compared and which differ."""

    compared: int
    differences: tuple[Difference, ...]


def verify(as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False) -> None:
    """Compare the gold tables with what the simulator planted; exit 1 on any difference.

    Example: telemetry verify
    """
    verdict = compare(current_settings())
    if as_json:
        print_json(asdict(verdict))
    else:
        console.print(f"{verdict.compared} numbers compared, {len(verdict.differences)} differ.")
    raise_if_different(verdict)


def compare(settings: Settings) -> Verdict:
    """Compare every planted number with gold in the lake and in the warehouse, and silver's event counts."""
    today = datetime.now(UTC).date()
    truth = expected_kpis(settings, through=today)
    if not truth:
        raise VerificationError(
            "There is no truth to compare with: run `telemetry simulate` or `telemetry demo` first."
        )
    statement = "SELECT * FROM gold.daily_kpis WHERE segment = 'all'"
    compared, differences = 0, []
    for where, (columns, rows) in (
        ("lake", ask_lake(settings, statement)),
        ("warehouse", ask_warehouse(settings, statement)),
    ):
        found = {(row["game_id"], row["event_date"]): row for row in _records(columns, rows)}
        for (game_id, day), expected in truth.items():
            row = found.get((game_id, day), {})
            metrics = [name for name in expected if name in columns]
            compared += len(metrics)
            differences += _differences(where, game_id, day, {name: expected[name] for name in metrics}, row)
    counted, wrong = _compare_events(settings)
    return Verdict(compared + counted, (*differences, *wrong))


def raise_if_different(verdict: Verdict) -> None:
    """Raise VerificationError that lists the first differences."""
    if not verdict.differences:
        return
    lines = [
        f"{item.where} {item.game_id} {item.day} {item.metric}: {item.found} instead of {item.expected}"
        for item in verdict.differences[:SHOWN_DIFFERENCES]
    ]
    raise VerificationError(
        f"{len(verdict.differences)} of {verdict.compared} numbers differ from the truth:\n" + "\n".join(lines)
    )


def _records(columns: list[str], rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _differences(
    where: str, game_id: str, day: date, expected: dict[str, Decimal | int], row: dict[str, Any]
) -> list[Difference]:
    return [
        Difference(where, game_id, day.isoformat(), name, str(value), str(row.get(name)))
        for name, value in expected.items()
        if not _equal(value, row.get(name))
    ]


def _equal(expected: Decimal | int, found: Any) -> bool:
    if found is None:
        return False
    if isinstance(found, float):
        # Seconds are DOUBLE in the tables; a sum of microseconds is exact to the microsecond.
        return abs(Decimal(repr(found)) - Decimal(expected)) <= SECONDS_TOLERANCE
    return Decimal(found) == Decimal(expected)


def _compare_events(settings: Settings) -> tuple[int, list[Difference]]:
    """Silver holds every planted event once, however often it was sent."""
    expected: dict[str, int] = {}
    for manifest in read_manifests(settings):
        expected[manifest.game_id] = expected.get(manifest.game_id, 0) + manifest.totals.silver_events
    _, rows = ask_lake(settings, "SELECT game_id, count(*) FROM silver.events GROUP BY 1")
    found = dict(rows)
    return len(expected), [
        Difference("lake", game_id, "all", "silver.events", str(count), str(found.get(game_id)))
        for game_id, count in expected.items()
        if found.get(game_id) != count
    ]
