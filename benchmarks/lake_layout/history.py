"""What a long history costs the next day: a table whose log names the files of many days before it.

python -m benchmarks.lake_layout.history --days 60
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from benchmarks.lake_layout.run import DAY, LAYOUTS, Layout, measured, rows_of
from telemetry_platform.lake.session import build_session
from telemetry_platform.settings import read_settings


def with_history(path: Path, days: int) -> int:
    """Add to the log, for each of `days` days before the table's own, the files that this has; how many a day."""
    log = path / "_delta_log"
    newest = max(log.glob("*.json")).read_text().splitlines()
    adds = [json.loads(line)["add"] for line in newest if line.startswith('{"add"')]
    adds = [add for add in adds if add["dataChange"]]
    first = len(list(log.glob("*.json")))
    for number in range(days):
        day = str(date.fromisoformat(DAY) - timedelta(days=number + 1))
        lines: list[dict[str, Any]] = [{"commitInfo": {"operation": "WRITE", "operationParameters": {}}}]
        lines += [{"add": _moved(add, day)} for add in adds]
        (log / f"{first + number:020d}.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    # The next commit is the one that makes a checkpoint, as it would have been made long ago.
    while (first + days) % 10:
        (log / f"{first + days:020d}.json").write_text(
            '{"commitInfo":{"operation":"WRITE","operationParameters":{}}}\n'
        )
        days += 1
    return len(adds)


def _moved(add: dict[str, Any], day: str) -> dict[str, Any]:
    path = add["path"].replace(DAY, day) if DAY in add["path"] else f"{day}-{add['path']}"
    return add | {"path": path, "partitionValues": add["partitionValues"] | {"event_date": day}}


def sample(spark: SparkSession, layout: Layout, path: Path, days: int) -> dict[str, Any]:
    """Write a day, give it a history, and measure reading and writing a day with nothing in memory."""
    rows = rows_of(spark, "small")

    def write(day: str) -> None:
        arranged = layout.arrange(rows.withColumn("event_date", sf.lit(day).cast("date")))
        writer = arranged.write.format("delta").partitionBy(*layout.partition_by).mode("overwrite")
        writer.option("replaceWhere", f"event_date = '{day}'").save(str(path))

    def forget() -> None:
        spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]

    write(DAY)
    files = with_history(path, days) * (days + 1)
    forget()
    write(str(date.fromisoformat(DAY) + timedelta(days=1)))
    forget()
    read = measured(lambda: spark.read.format("delta").load(str(path)).where(f"event_date = '{DAY}'").count())
    forget()
    wrote = measured(lambda: write("2026-12-01"))
    return {"layout": layout.name, "files": files, "read (CPU s, wall s)": read, "write": wrote}


def main(arguments: Sequence[str] | None = None) -> None:
    """Each layout without and with the history; one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=60)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings({**os.environ, "TELEMETRY_HOME": folder})  # noqa: TID251 - a home of its own
        spark = build_session(settings, "batch", app_name="lake_layout_history")
        for number, (layout, days) in enumerate(
            (layout, days) for days in (1, chosen.days) for layout in (LAYOUTS[1], LAYOUTS[-1])
        ):
            path = Path(folder) / str(number)
            print(json.dumps(sample(spark, layout, path, days)), flush=True)
            shutil.rmtree(path)
        spark.stop()


if __name__ == "__main__":
    main()
