"""One batch of Kafka records into `bronze.events`, exactly once."""

import logging
import time

from prometheus_client import Counter
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as sf

from streaming.direct_records import validated
from telemetry_platform.contracts.signature import signing_key
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.lake.log import open_table, table_path
from telemetry_platform.settings import REJECTED_TOPIC, Settings
from telemetry_platform.transforms.decode import is_signed, received_by_kafka, to_bronze

log = logging.getLogger("bronze_events")

ROWS = Counter("telemetry_bronze_rows_total", "Kafka records written to bronze by this process")
DIRECT_ROWS = Counter("telemetry_bronze_direct_rows_total", "Of them, records that no collector wrote")

QUERY_ID = "sql.streaming.queryId"


class BronzeWriter:
    """Writes what the collector signed as it stands, and what others wrote once it is validated.

    Each part is one Delta commit that names the query and the batch: a batch that Spark repeats, because its process
    was killed before the checkpoint knew of it, leaves no second copy. Validating needs Python workers; a topic
    without direct records never starts them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = signing_key(settings.keys_dir)
        self._written: dict[str, int] = {}

    def write(self, records: DataFrame, batch_id: int) -> None:
        """Write one batch; called by Spark, also for a batch that was written before."""
        started = time.monotonic()
        is_rejected = sf.col("topic") == REJECTED_TOPIC
        marked = records.withColumn("is_direct", ~is_rejected & ~is_signed(self._key))
        query = records.sparkSession.sparkContext.getLocalProperty(QUERY_ID) or "bronze_events"
        rows = self._append_signed(marked, is_rejected, query, batch_id)
        direct = self._append_direct(marked, f"{query}.direct", batch_id) if rows is None or rows["direct"] else 0
        if rows is None:
            log.info("event=batch_repeated batch_id=%d", batch_id)
            return
        ROWS.inc(rows["all"] - rows["direct"] + direct)
        DIRECT_ROWS.inc(direct)
        if rows["all"]:
            milliseconds = (time.monotonic() - started) * 1000
            log.info(
                "event=batch batch_id=%d rows=%d direct=%d milliseconds=%d", batch_id, rows["all"], direct, milliseconds
            )

    def _append_signed(
        self, marked: DataFrame, is_rejected: Column, writer: str, batch_id: int
    ) -> dict[str, int] | None:
        """Append all but the direct records; the batch's counts, or None when it was written before."""
        counts = Observation()
        counted = marked.observe(counts, sf.count("*").alias("all"), sf.count_if("is_direct").alias("direct"))
        is_new = self._append(to_bronze(counted.where("NOT is_direct"), is_rejected), writer, batch_id)
        return counts.get if is_new else None

    def _append_direct(self, marked: DataFrame, writer: str, batch_id: int) -> int:
        """Append the direct records, each accepted or as a reject; how many there were."""
        counts = Observation()
        direct = marked.where("is_direct").withColumn("timestamp", received_by_kafka())
        counted = validated(direct, self._settings).observe(counts, sf.count("*").alias("all"))
        is_new = self._append(to_bronze(counted, sf.col("is_refused")), writer, batch_id)
        return counts.get["all"] if is_new else 0

    def _append(self, rows: DataFrame, writer: str, batch_id: int) -> bool:
        """Append rows unless this writer has written this batch; whether it had not."""
        if writer not in self._written:
            self._written[writer] = self._newest_written(writer)
        if batch_id <= self._written[writer]:
            return False
        (
            rows.write.format("delta")
            .mode("append")
            .option("txnAppId", writer)
            .option("txnVersion", str(batch_id))
            .save(table_path(self._settings.lake, BRONZE_EVENTS.name))
        )
        self._written[writer] = batch_id
        return True

    def _newest_written(self, writer: str) -> int:
        # Delta would skip a repeated batch by itself, and its counts would never come.
        table = open_table(self._settings.lake, BRONZE_EVENTS.name)
        version = table.transaction_version(writer) if table is not None else None
        return -1 if version is None else version
