"""Keeps `bronze.events` in few files while the stream writes it.

In the stream's own process, because Delta on a local disk has no commit that is atomic between processes; in a thread
of its own, so that no batch waits for it. Commits of one process take turns, and an append and a compaction do not
conflict: neither reads what the other writes.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from prometheus_client import Counter
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.lake.compaction import (
    Partition,
    Policy,
    compact,
    is_sorted,
    partitions,
    piece_of,
    sort_partition,
)
from telemetry_platform.lake.properties import has_properties, log_properties, set_properties
from telemetry_platform.settings import Settings

log = logging.getLogger("bronze_events")

REMOVED = Counter("telemetry_bronze_compacted_files_total", "Small files that this process rewrote into larger ones")

# A day still receives rows while it is today, and for as long as the stream is behind midnight.
OPEN_POLICY = Policy(least_files=16)
CLOSED_POLICY = Policy(least_files=2)
# An hour without a commit: midnight may have closed a day.
LOOK_SECONDS = 3600
POLL_SECONDS = 2
# A scheduler pool of its own: under FAIR a batch has half of the slots at once, whatever is being rewritten.
POOL = "upkeep"


# Every commit lists the folder of the log: 0.14 s with a few files in it, 0.56 s with 20,000. Delta cleans up by whole
# days, so that this leaves one to two days of commits. The files that commits took away stay for longer, until VACUUM.
LOG_HOURS = 24


def bound_log(spark: SparkSession, settings: Settings) -> None:
    """Let Delta remove old commits from bronze's log; before the query starts, as a change of metadata ends appends."""
    wanted = log_properties(LOG_HOURS)
    if not has_properties(settings.lake, BRONZE_EVENTS, wanted):
        set_properties(spark, settings.lake, BRONZE_EVENTS, wanted)


class BronzeUpkeep:
    """Looks at the table after every so many commits and once an hour, and rewrites what has become small files."""

    def __init__(self, spark: SparkSession, settings: Settings, commits: Callable[[], int]) -> None:
        self._spark = spark
        self._lake = settings.lake
        self._every = settings.bronze_compact_commits
        self._commits = commits
        self._sorted: set[str] = set()

    def start(self, stop: threading.Event) -> threading.Thread:
        """Work in a thread until `stop`; the process does not wait for it, as what it has not committed is nothing."""
        thread = threading.Thread(target=self._run, args=(stop,), name="upkeep", daemon=True)
        thread.start()
        return thread

    def _run(self, stop: threading.Event) -> None:
        self._spark.sparkContext.setLocalProperty("spark.scheduler.pool", POOL)
        seen, looked = self._commits(), -float(LOOK_SECONDS)
        while not stop.wait(POLL_SECONDS):
            commits, now = self._commits(), time.monotonic()
            if commits - seen < self._every and now - looked < LOOK_SECONDS:
                continue
            seen, looked = commits, now
            try:
                self.rounds(datetime.now(UTC).date(), stop)
            except (PySparkException, Py4JError) as error:
                if not stop.is_set():
                    log.warning("event=compaction_failed reason=%s", str(error).splitlines()[0])

    def rounds(self, today: date, stop: threading.Event) -> None:
        """Rewrite piece by piece until no partition has many small files."""
        while not stop.is_set():
            removed = 0
            # The newest day first: most readers are readers of today.
            for partition in reversed(partitions(self._lake, BRONZE_EVENTS, span_column="event_date")):
                if not stop.is_set():
                    removed += self._rewrite(partition, today)
            if not removed:
                return

    def _rewrite(self, partition: Partition, today: date) -> int:
        """Do for one partition what it needs; how many files went."""
        is_closed = (partition.value("received_date") or "") < str(today - timedelta(days=1))
        policy = CLOSED_POLICY if is_closed else OPEN_POLICY
        piece = piece_of(partition, policy)
        name = "/".join(str(value) for _, value in partition.values)
        if is_closed and partition.value("arrival") != "on_time":
            if not self._is_to_be_sorted(partition, policy):
                return 0
            log.info("event=sorting partition=%s files=%d", name, len(partition.sizes))
            self._sorted.add(partition.predicate)
            ran = sort_partition(self._spark, self._lake, BRONZE_EVENTS, partition, policy, by="event_date")
        elif piece is not None:
            log.info("event=compacting partition=%s files=%d bytes=%d", name, piece.files, piece.bytes)
            ran = compact(self._spark, self._lake, BRONZE_EVENTS, piece, policy)
        else:
            return 0
        REMOVED.inc(ran.removed)
        log.info("event=compacted partition=%s removed=%d added=%d", name, ran.removed, ran.added)
        return ran.removed

    def _is_to_be_sorted(self, partition: Partition, policy: Policy) -> bool:
        """Late and imported rows are read by event day, from every day on which they may have been received.

        Once in this process: what sorting leaves as it is would be rewritten for ever.
        """
        is_due = not is_sorted(partition) or piece_of(partition, policy) is not None
        return is_due and partition.predicate not in self._sorted
