"""Events per CPU-second of silver.events, sessions and player_days, against the same logic in DuckDB on the same files.

python -m benchmarks.silver.run --events 1000000 2000000 4000000
"""

import argparse
import ctypes
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.daily.run import FIRST_DAY, SET_CHILD_SUBREAPER, Cost, materialize, measured, write_bronze
from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.log import dataset_of

ASSETS = " or ".join(f'key:"silver/{name}"' for name in ("events", "sessions", "player_days"))
# What both have to agree on; all that the peer computes of a table.
COMPARED = {
    "events": "event_id, event_name, epoch_us(event_ts), game_id, player_id, device_id, platform, properties",
    "sessions": (
        "game_id, player_id, device_id, epoch_us(started_ts), epoch_us(ended_ts), event_count, platform, "
        "build_version, country"
    ),
    "player_days": (
        "event_date, game_id, player_id, session_count, playtime_seconds, event_count, ad_impressions, "
        "levels_completed, levels_failed, purchase_count, iap_revenue, ad_revenue, platform, country, build_version"
    ),
}


@dataclass(frozen=True)
class Pair:
    """One day computed by both."""

    events: int
    spark: Cost
    assets: dict[str, float]
    peer: Cost
    differences: dict[str, int]


def compare(events: int) -> Pair:
    """Write a day of bronze, compute it with both, and count the rows in which they differ."""
    with tempfile.TemporaryDirectory() as folder:
        home, target = Path(folder), Path(folder) / "peer"
        write_bronze(home / "lake", events=events, days=1)
        sample = materialize(home, "", events=events, first=FIRST_DAY, last=FIRST_DAY, select=ASSETS)
        peer, _ = measured([sys.executable, "-m", "benchmarks.silver.peer", str(home / "lake"), str(target)])
        differences = {name: _differences(home / "lake", target, name) for name in COMPARED}
    return Pair(events, sample.cost, sample.assets, peer, differences)


def _differences(lake: Path, target: Path, name: str) -> int:
    """Rows that one of the two has and the other has not."""
    connection = duckdb.connect()
    connection.register("ours", dataset_of(str(lake), TABLES[f"silver.{name}"]))
    columns = COMPARED[name]
    theirs = f"SELECT {columns} FROM read_parquet('{target}/{name}/**/*.parquet', hive_partitioning = true)"
    both = (
        f"(SELECT {columns} FROM ours EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL SELECT {columns} FROM ours)"
    )
    found = connection.execute(f"SELECT count(*) FROM ({both})").fetchone()
    assert found is not None
    return found[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare days of each size and print the table; exits with 1 when the two differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 2_000_000, 4_000_000])
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args(arguments)
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    console = Console()
    table = Table("Events", "Spark CPU s", "DuckDB CPU s", "Share", "Spark MB", "DuckDB MB", "Rows that differ")
    pairs = [compare(events) for events in chosen.events]
    for pair in pairs:
        cpu = (f"{pair.spark.cpu_seconds:.1f}", f"{pair.peer.cpu_seconds:.1f}")
        share = f"{pair.peer.cpu_seconds / pair.spark.cpu_seconds:.2f}"
        memory = (f"{pair.spark.peak_megabytes:.0f}", f"{pair.peer.peak_megabytes:.0f}")
        table.add_row(f"{pair.events:,}", *cpu, share, *memory, str(sum(pair.differences.values())))
    console.print(table)
    if chosen.json:
        chosen.json.write_text(json.dumps(pairs, default=vars, indent=1))
    if any(sum(pair.differences.values()) for pair in pairs):
        console.print("The two differ:", [pair.differences for pair in pairs], markup=False)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
