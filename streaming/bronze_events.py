"""Kafka to `bronze.events`, exactly once.

Runs until SIGTERM or SIGINT; with `--once` it takes what is there and ends. `streaming/README.md`
has the rules of operation.
"""

import argparse
import json
import logging
import signal
import sys
import threading
from types import FrameType
from typing import Any

from prometheus_client import Gauge, start_http_server
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from streaming.agreement import require_agreement
from streaming.bronze_upkeep import BronzeUpkeep, bound_log
from streaming.bronze_writer import BronzeWriter, decoded
from streaming.checkpoint import checkpoint_of, read_checkpoint
from telemetry_platform.contracts.signature import signing_key
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.errors import TelemetryError
from telemetry_platform.lake.lease import lease, seconds_after_death
from telemetry_platform.lake.session import build_session
from telemetry_platform.lake.tables import Lake
from telemetry_platform.settings import EVENTS_TOPIC, REJECTED_TOPIC, Settings, current_settings
from telemetry_platform.topics import require_sound_topics

log = logging.getLogger("bronze_events")

BATCH_SECONDS = Gauge("telemetry_bronze_batch_seconds", "Duration of the newest batch")
BATCH_ID = Gauge("telemetry_bronze_batch_id", "Number of the newest batch")
NEXT_OFFSET = Gauge("telemetry_bronze_next_offset", "First offset not yet in bronze", ["topic", "partition"])
LAG = Gauge("telemetry_bronze_lag_records", "Records in the topics and not yet in bronze at the newest batch")


def start_query(spark: SparkSession, settings: Settings, stop: threading.Event, *, once: bool) -> StreamingQuery:
    """Start the stream, and beside it what keeps its table in few files until `stop`.

    Its checkpoint must fit the table: `require_agreement`.
    """
    checkpoint = read_checkpoint(checkpoint_of(settings))
    rewound = checkpoint.rewound if checkpoint else None
    Lake(settings.lake, spark).ensure(BRONZE_EVENTS)
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka)
        .option("subscribe", f"{EVENTS_TOPIC},{REJECTED_TOPIC}")
        .option("startingOffsets", json.dumps(rewound.starting_offsets) if rewound else "earliest")
        .option("failOnDataLoss", "true")
        .option("includeHeaders", "true")
        .options(**batch_bounds(settings, once=once))
        .load()
    )
    bronze = BronzeWriter(settings)
    writer = (
        decoded(records, signing_key(settings.keys_dir))
        .writeStream.queryName("bronze_events")
        .foreachBatch(bronze.write)
        .option("checkpointLocation", checkpoint_of(settings))
    )
    if once:
        return writer.trigger(availableNow=True).start()
    bound_log(spark, settings)
    BronzeUpkeep(spark, settings, lambda: bronze.commits).start(stop)
    return writer.trigger(processingTime="1 second").start()


def batch_bounds(settings: Settings, *, once: bool) -> dict[str, str]:
    """Records of one batch: looked for every second, taken when they are many or have waited for long enough.

    Each batch is a commit and a file per Kafka partition: few records a second are not worth one every second.
    """
    most = settings.bronze_batch_records
    bounds = {"maxOffsetsPerTrigger": str(most)}
    if once:
        return bounds
    return bounds | {
        "minOffsetsPerTrigger": str(max(1, most // 5)),
        "maxTriggerDelay": f"{settings.bronze_trigger_seconds}s",
    }


def watch(query: StreamingQuery, stop: threading.Event) -> None:
    """Report each batch to the log and the metrics until the query ends or `stop` is set."""
    last_batch = -1
    while query.isActive and not stop.wait(0.5):
        last_batch = report_progress(query, last_batch)
    if query.isActive:
        log.info("event=stopping")
        query.stop()
    failure = query.exception()
    if failure is not None:
        raise failure
    report_progress(query, last_batch)


def report_progress(query: StreamingQuery, last_batch: int) -> int:
    """Export the batches with rows newer than `last_batch`, and return the newest one's number.

    A trigger that finds nothing reports the number of the batch that comes next, with 0 rows: only a batch with rows
    counts as seen, or the first one after a pause would be left out. Rows are counted where they are written.
    """
    for progress in query.recentProgress:
        batch = int(progress["batchId"])
        if batch > last_batch and int(progress["numInputRows"]):
            last_batch = batch
            BATCH_ID.set(batch)
            BATCH_SECONDS.set(progress["batchDuration"] / 1000)
    if query.recentProgress:
        _export_offsets(query.recentProgress[-1]["sources"][0])
    return last_batch


def _export_offsets(source: dict[str, Any]) -> None:
    done, latest = _offsets(source.get("endOffset")), _offsets(source.get("latestOffset"))
    lag = 0
    for topic, partitions in done.items():
        for partition, offset in partitions.items():
            NEXT_OFFSET.labels(topic, partition).set(offset)
            lag += max(0, latest.get(topic, {}).get(partition, offset) - offset)
    LAG.set(lag)


def _offsets(value: Any) -> dict[str, dict[str, int]]:
    """Offsets as a dictionary: Spark reports them parsed or as JSON text, by version.

    What it does not know is null, a topic's newest offsets while it repeats the batch of a killed process among them.
    """
    offsets = json.loads(value) if isinstance(value, str) else value
    return {topic: partitions or {} for topic, partitions in (offsets or {}).items()}


def _wait_seconds(settings: Settings) -> float:
    """A second job is refused soon; a job started after one that was killed waits until that one's lease is over."""
    return 5 + seconds_after_death(settings.lake)


def main() -> int:
    """Run the job; exit 1 with the reason on one line when it cannot start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="take the records that are there, then end")
    once = parser.parse_args().once
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    settings = current_settings()
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        require_sound_topics(settings)
        spark = build_session(settings, "stream", app_name="bronze_events")
        with lease(settings.lake, BRONZE_EVENTS.name, owner="bronze_events", wait_seconds=_wait_seconds(settings)):
            # Under the lease: the table and the checkpoint of a job that runs are in motion.
            require_agreement(settings)
            query = start_query(spark, settings, stop, once=once)
            if not once:
                start_http_server(settings.bronze_metrics_port, addr=settings.bronze_metrics_host)
            log.info("event=started kafka=%s lake=%s once=%s", settings.kafka, settings.lake, once)
            watch(query, stop)
    except TelemetryError as error:
        log.error("event=refused reason=%s", error)
        return 1
    log.info("event=stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
