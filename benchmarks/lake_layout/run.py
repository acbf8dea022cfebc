"""What a day costs to write, read and repair by how a table is laid out: CPU, wall, files, bytes.

python -m benchmarks.lake_layout.run --shape small
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from rich.console import Console
from rich.table import Table

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.layout import laid_out
from telemetry_platform.lake.session import build_session
from telemetry_platform.settings import read_settings

EVENTS = TABLES["silver.events"]
DAY = "2026-11-01"
# Games and events of each, by shape of the day.
SHAPES = {"small": [(500, 200)], "big": [(1, 1_000_000)], "mix": [(1, 1_000_000), (20, 10_000), (479, 200)]}


@dataclass(frozen=True)
class Layout:
    """How a day's rows are arranged before the write, and what the table is partitioned by."""

    name: str
    arrange: Callable[[DataFrame], DataFrame]
    partition_by: tuple[str, ...] = ("event_date", "game_id")
    is_optimized: bool = False


LAYOUTS = (
    Layout("a: day+game, hashed (as it was)", lambda rows: rows.repartition("event_date", "game_id")),
    Layout("b: day+game, rebalanced", lambda rows: laid_out(rows, EVENTS)),
    Layout("c: day+game, optimized write", lambda rows: rows, is_optimized=True),
    Layout(
        "d: day, sorted by game",
        lambda rows: rows.hint("rebalance").sortWithinPartitions("game_id"),
        partition_by=("event_date",),
    ),
)


@dataclass(frozen=True)
class Sample:
    """One layout of one shape; seconds are CPU / wall of the JVM."""

    shape: str
    layout: str
    write_cpu: float
    write_wall: float
    files: int
    largest_megabytes: float
    megabytes: float
    read_cpu: float
    read_wall: float
    repair_cpu: float
    repair_wall: float
    files_rewritten: int


def rows_of(spark: SparkSession, shape: str) -> DataFrame:
    """Rows as wide as `silver.events`, of a day with that many games and events."""
    parts, first = [], 0
    for games, events in SHAPES[shape]:
        ids = spark.range(0, games * events, 1, 4)
        parts.append(ids.withColumn("game_id", sf.format_string("game%04d", sf.col("id") % games + first)))
        first += games
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.unionByName(part)
    when = sf.timestamp_micros(sf.lit(1_793_491_200_000_000) + sf.col("id") * 977 % 86_400_000 * 1000)
    known = {
        "event_id": sf.uuid(),
        "event_date": sf.lit(DAY).cast("date"),
        "player_id": sf.concat(sf.lit("p"), sf.col("id") % 33_333),
        "device_id": sf.concat(sf.lit("d"), sf.col("id") % 33_333),
        "event_name": sf.when(sf.col("id") % 2 == 0, "heartbeat").otherwise("level_started"),
        "properties": sf.concat(
            sf.lit('{"level":"L'), sf.col("id") % 97, sf.lit('","score":'), sf.col("id") % 1013, sf.lit("}")
        ),
        "event_ts": when,
        "created_ts": when,
        "received_ts": when,
        "sent_ts": when,
    }
    columns = [
        known.get(field.name, sf.col("game_id") if field.name == "game_id" else sf.lit(None))
        .try_cast(field.dataType)
        .alias(field.name)
        for field in EVENTS.schema.fields
    ]
    return rows.select(*columns)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of this process's JVM and wall seconds of `work`."""
    before, began = _jvm_cpu(), time.monotonic()
    work()
    return round(_jvm_cpu() - before, 2), round(time.monotonic() - began, 2)


def _jvm_cpu() -> float:
    spark = SparkSession.getActiveSession()
    assert spark is not None
    pid = spark._jvm.java.lang.ProcessHandle.current().pid()  # type: ignore[union-attr]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sample(spark: SparkSession, rows: DataFrame, shape: str, layout: Layout, path: Path) -> Sample:
    """Write the day, count one small game of it, and replace that game's rows."""
    spark.conf.set("spark.databricks.delta.optimizeWrite.enabled", str(layout.is_optimized).lower())

    def write(frame: DataFrame, predicate: str) -> None:
        arranged = layout.arrange(frame).write.format("delta").partitionBy(*layout.partition_by)
        arranged.mode("overwrite").option("replaceWhere", predicate).save(str(path))

    write(rows.limit(0), f"event_date = '{DAY}'")
    write_cost = measured(lambda: write(rows, f"event_date = '{DAY}'"))
    sizes = [file.stat().st_size for file in path.rglob("*.parquet") if "_delta_log" not in file.parts]
    before = set(DeltaTable(str(path)).file_uris())
    # The last game is the only one or a small one.
    name = f"game{sum(games for games, _ in SHAPES[shape]) - 1:04d}"
    game = f"event_date = '{DAY}' AND game_id = '{name}'"
    read_cost = measured(
        lambda: spark.read.format("delta").load(str(path)).where(game).agg(sf.count_distinct("player_id")).collect()
    )
    one = rows.where(f"game_id = '{name}'")
    repair_cost = measured(lambda: write(one, game))
    gone = len(before - set(DeltaTable(str(path)).file_uris()))
    megabytes = (round(max(sizes) / 1e6, 2), round(sum(sizes) / 1e6, 1))
    return Sample(shape, layout.name, *write_cost, len(sizes), *megabytes, *read_cost, *repair_cost, gone)


def main(arguments: Sequence[str] | None = None) -> None:
    """Warm the JVM with one round, then measure each layout; print the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, action="append")
    parser.add_argument("--layout", action="append", help="the letter of a layout: --layout a --layout b")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(arguments)
    samples = []
    layouts = [layout for layout in LAYOUTS if not chosen.layout or layout.name[0] in chosen.layout]
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings({**os.environ, "TELEMETRY_HOME": folder})  # noqa: TID251 - a home of its own
        spark = build_session(settings, "batch", app_name="lake_layout")
        for shape in chosen.shape or list(SHAPES):
            rows = rows_of(spark, shape).cache()
            rows.count()
            for index, layout in enumerate((LAYOUTS[0], *layouts)):
                path = Path(folder) / f"{shape}{index}"
                one = sample(spark, rows, shape, layout, path)
                shutil.rmtree(path)
                if index:
                    samples.append(one)
                    print(json.dumps(asdict(one)), flush=True)
            rows.unpersist()
        spark.stop()
    table = Table(*(Sample.__dataclass_fields__))
    for one in samples:
        table.add_row(*(str(value) for value in asdict(one).values()))
    Console().print(table)
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(one) for one in samples], indent=1))


if __name__ == "__main__":
    main()
