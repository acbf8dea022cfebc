"""One batch of Kafka records into `bronze.events`, exactly once."""

import logging
import time

from prometheus_client import Counter
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as sf

from streaming.checkpoint import checkpoint_of, write_newest_direct
from streaming.direct_records import validated
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.lake.lease import lease
from telemetry_platform.lake.log import open_table, table_path
from telemetry_platform.settings import REJECTED_TOPIC, Settings
from telemetry_platform.transforms.decode import is_signed, received_by_kafka, to_bronze

log = logging.getLogger("bronze_events")

ROWS = Counter("telemetry_bronze_rows_total", "Kafka records written to bronze by this process")
DIRECT_ROWS = Counter("telemetry_bronze_direct_rows_total", "Of them, records that no collector wrote")

QUERY_ID = "sql.streaming.queryId"


def decoded(records: DataFrame, key: bytes) -> DataFrame:
    """Bronze rows of Kafka records, and, for those that are not signed with `key`, the record itself as `direct`.

    Of the streaming plan, so that it is analysed once and not for each batch: that took 0.6 CPU-seconds.
    """
    is_rejected = sf.col("topic") == REJECTED_TOPIC
    record = sf.struct("value", "topic", "partition", "offset", received_by_kafka().alias("timestamp"))
    marked = records.withColumn("direct", sf.when(~is_rejected & ~is_signed(key), record))
    return to_bronze(marked, is_rejected, with_columns=["direct"])


class BronzeWriter:
    """Writes what the collector signed as it stands, and what others wrote once it is validated.

    Each part is one Delta commit that names the query and the batch: a batch that Spark repeats, because its process
    was killed before the checkpoint knew of it, leaves no second copy. Validating needs Python workers; a topic
    without direct records never starts them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._written: dict[str, int] = {}
        self.commits = 0

    def write(self, batch: DataFrame, batch_id: int) -> None:
        """Write one batch of `decoded` rows; called by Spark, also for a batch that was written before."""
        started = time.monotonic()
        query = batch.sparkSession.sparkContext.getLocalProperty(QUERY_ID) or "bronze_events"
        counts = Observation()
        counted = batch.observe(counts, sf.count("*").alias("all"), sf.count("direct").alias("direct"))
        is_new = self._append(counted.where("direct IS NULL").drop("direct"), query, batch_id)
        # When the first part was written by a process that was killed, only the table knows of the second.
        direct = self._append_direct(batch, f"{query}.direct", batch_id) if not is_new or counts.get["direct"] else 0
        if not is_new:
            log.info("event=batch_repeated batch_id=%d direct=%d", batch_id, direct)
            ROWS.inc(direct)
        elif rows := counts.get["all"]:
            ROWS.inc(rows)
            milliseconds = (time.monotonic() - started) * 1000
            log.info("event=batch batch_id=%d rows=%d direct=%d milliseconds=%d", batch_id, rows, direct, milliseconds)
        DIRECT_ROWS.inc(direct)

    def _append_direct(self, batch: DataFrame, writer: str, batch_id: int) -> int:
        """Append the direct records, each accepted or as a reject; how many there were."""
        counts = Observation()
        records = batch.where("direct IS NOT NULL").select("direct.*")
        counted = validated(records, self._settings).observe(counts, sf.count("*").alias("all"))
        is_new = self._append(to_bronze(counted, sf.col("is_refused")), writer, batch_id)
        write_newest_direct(checkpoint_of(self._settings), batch_id)
        return counts.get["all"] if is_new else 0

    def _append(self, rows: DataFrame, writer: str, batch_id: int) -> bool:
        """Append rows unless this writer has written this batch; whether it had not."""
        if writer not in self._written:
            self._written[writer] = self._newest_written(writer)
        if batch_id <= self._written[writer]:
            return False
        # The job's own lease, unless it was lost meanwhile.
        with lease(self._settings.lake, BRONZE_EVENTS.name, owner=f"batch {batch_id} of bronze_events") as held:
            held.check()
            (
                rows.write.format("delta")
                .mode("append")
                .option("txnAppId", writer)
                .option("txnVersion", str(batch_id))
                .save(table_path(self._settings.lake, BRONZE_EVENTS.name))
            )
        self._written[writer] = batch_id
        self.commits += 1
        return True

    def _newest_written(self, writer: str) -> int:
        # Delta would skip a repeated batch by itself, and its counts would never come.
        table = open_table(self._settings.lake, BRONZE_EVENTS.name)
        version = table.transaction_version(writer) if table is not None else None
        return -1 if version is None else version
