"""Make a checkpoint that fits `bronze.events` as it is: the way out when the two do not fit together.

Prints what would be done; `--yes` does it. The stream has to be stopped. `streaming/README.md`, 'Rewind'.
"""

import argparse
import logging
import operator
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as sf

from streaming.checkpoint import Rewound, checkpoint_of, set_aside, write_rewound
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.errors import LakeError, TelemetryError
from telemetry_platform.lake.lease import lease, seconds_after_death
from telemetry_platform.lake.log import open_table, table_path
from telemetry_platform.lake.session import build_session
from telemetry_platform.lake.topics import KeptOffsets, kept_offsets
from telemetry_platform.local.process import port_is_free
from telemetry_platform.settings import Settings, current_settings

log = logging.getLogger("rewind")

Partition = tuple[str, int]


@dataclass(frozen=True)
class Held:
    """Of one topic partition in the table: the offset after its newest row, and the first one that is not there.

    They differ where the last batch is there in part: its direct records are a commit of their own. `first_row` is
    the oldest row's offset where all rows may be of the last batch, and records before them missing from it.
    """

    after_newest: int
    first_missing: int
    first_row: int | None = None


@dataclass(frozen=True)
class Start:
    """Where the stream goes on in one topic partition.

    Rows from `offset` on are removed and read again, but for those of a topic that was made anew, whose offsets say
    nothing of this one's. `lost` records are neither in the table nor in Kafka any more.
    """

    offset: int
    removed_up_to: int
    lost: int = 0
    is_new_topic: bool = False

    def __str__(self) -> str:
        said = f"goes on at {self.offset}"
        if self.is_new_topic:
            said += ", the topic was made anew and the old rows stay"
        if self.removed_up_to > self.offset:
            said += f", rows {self.offset}..{self.removed_up_to - 1} are removed and read again"
        return said + (f", up to {self.lost} records are in Kafka no more" if self.lost else "")


def start_of(held: Held | None, first: int, end: int) -> Start:
    """Decide about one partition, of which Kafka keeps the records from `first` to before `end`."""
    if held is None:
        return Start(first, first)
    if held.after_newest > end:
        return Start(first, first, is_new_topic=True)
    if held.first_row is not None and first < held.first_row:
        return Start(first, held.after_newest)
    start = max(first, held.first_missing)
    return Start(start, held.after_newest, lost=max(0, first - held.first_missing))


def starts_of(held: Mapping[Partition, Held], kept: KeptOffsets) -> dict[Partition, Start]:
    """Decide about every partition that the topics have."""
    return {
        (topic, partition): start_of(held.get((topic, partition)), first, end)
        for topic, partitions in kept.items()
        for partition, (first, end) in partitions.items()
    }


def held_in(rows: DataFrame, batch_records: int) -> dict[Partition, Held]:
    """Find what the table holds of each partition; offsets are looked through as far back as one batch may reach.

    A transaction of a producer leaves a gap, too: reading again from there costs time and no record.
    """
    partition = ["kafka_topic", "kafka_partition"]
    newest = rows.groupBy(*partition).agg(
        sf.max("kafka_offset").alias("newest"), sf.min("kafka_offset").alias("oldest")
    )
    recent = (
        rows.select(*partition, "kafka_offset")
        .join(sf.broadcast(newest), partition)
        .where(sf.col("kafka_offset") >= sf.col("newest") - batch_records)
    )
    following = sf.lead("kafka_offset").over(Window.partitionBy(*partition).orderBy("kafka_offset"))
    before_gap = sf.when(sf.coalesce(following, sf.lit(-1)) != sf.col("kafka_offset") + 1, sf.col("kafka_offset"))
    found = (
        recent.withColumn("before_gap", before_gap)
        .groupBy(*partition, "newest", "oldest")
        .agg(sf.min("before_gap").alias("before_gap"))
    )
    return {
        (row["kafka_topic"], row["kafka_partition"]): Held(
            row["newest"] + 1,
            row["before_gap"] + 1,
            row["oldest"] if row["oldest"] > row["newest"] - batch_records else None,
        )
        for row in found.collect()
    }


def plan(settings: Settings, spark: SparkSession) -> dict[Partition, Start]:
    """Compare the table with Kafka; changes nothing. Raises LakeError when there is no table, or Kafka is silent."""
    if open_table(settings.lake, BRONZE_EVENTS.name) is None:
        raise LakeError(
            "There is no bronze.events: move the checkpoint away, and the stream starts with the oldest record."
        )
    rows = spark.read.format("delta").load(table_path(settings.lake, BRONZE_EVENTS.name))
    return starts_of(held_in(rows, settings.bronze_batch_records), kept_offsets(settings.kafka))


def carry_out(settings: Settings, spark: SparkSession, starts: Mapping[Partition, Start]) -> None:
    """Set the old checkpoint aside, remove what will be read again, and leave a checkpoint that starts there.

    In this order: killed in between, the table has rows and no checkpoint, which the stream refuses.
    """
    aside = set_aside(checkpoint_of(settings))
    log.info("event=checkpoint_set_aside folder=%s", aside)
    doomed = [
        (sf.col("kafka_topic") == topic)
        & (sf.col("kafka_partition") == partition)
        & (sf.col("kafka_offset") >= start.offset)
        for (topic, partition), start in starts.items()
        if start.removed_up_to > start.offset
    ]
    if doomed:
        bronze = DeltaTable.forPath(spark, table_path(settings.lake, BRONZE_EVENTS.name))
        bronze.delete(reduce(operator.or_, doomed))
    table = open_table(settings.lake, BRONZE_EVENTS.name)
    assert table is not None, "it was there when the plan was made"  # noqa: S101
    offsets: dict[str, dict[int, int]] = {}
    for (topic, partition), start in starts.items():
        offsets.setdefault(topic, {})[partition] = start.offset
    write_rewound(checkpoint_of(settings), Rewound(offsets, table.version()))
    log.info("event=rewound table_version=%d", table.version())


def main() -> int:
    """Print the plan, and carry it out with `--yes`; exit 1 with the reason on one line when it cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--yes", action="store_true", help="do it")
    parser.add_argument("--accept-loss", action="store_true", help="although records are in Kafka no more")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    settings = current_settings()
    try:
        if not port_is_free(settings.bronze_metrics_port):
            raise LakeError(f"Something listens on {settings.bronze_metrics_port}: stop the stream, `telemetry down`.")
        spark = build_session(settings, "batch", app_name="rewind")
        starts = plan(settings, spark)
        for (topic, partition), start in starts.items():
            log.info("event=plan partition=%s-%d %s", topic, partition, start)
        if any(start.lost for start in starts.values()) and not arguments.accept_loss:
            raise LakeError("Records are in Kafka no more. Restore a newer table, or add --accept-loss.")
        if arguments.yes:
            with lease(
                settings.lake, BRONZE_EVENTS.name, owner="rewind", wait_seconds=seconds_after_death(settings.lake)
            ):
                carry_out(settings, spark, starts)
        else:
            log.info("event=nothing_changed do_it_with=--yes")
    except TelemetryError as error:
        log.error("event=refused reason=%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
