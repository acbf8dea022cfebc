"""What keeps a lake as large as its data: compaction, VACUUM, thinned snapshots. Every call can be repeated."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from delta.tables import DeltaTable
from deltalake.exceptions import DeltaError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError
from telemetry_platform.lake.compaction import Policy, compact, partitions, pieces_of
from telemetry_platform.lake.lease import lease
from telemetry_platform.lake.log import open_table, table_names, table_path
from telemetry_platform.lake.properties import has_properties, log_properties, noted_properties, set_properties
from telemetry_platform.settings import Settings

SNAPSHOTS = TABLES["gold.player_snapshots"]

# A table's day is written by size (lake/layout.py): what is left to compact are days that were written otherwise.
BATCH_POLICY = Policy(least_files=8)

Action = Literal["compact", "thin", "vacuum", "properties"]


@dataclass(frozen=True)
class Done:
    """One thing that was done to a table, or, in a dry run, would be.

    `files` are those taken away, `bytes` what they held where it is known; `days` are those of thinned snapshots.
    """

    table: str
    action: Action
    files: int = 0
    files_added: int = 0
    bytes: int = 0
    days: tuple[date, ...] = ()
    detail: str = ""

    @property
    def summary(self) -> str:
        """In one line."""
        match self.action:
            case "compact":
                return f"{self.table}: compact {self.files} files ({self.bytes / 1e6:.1f} MB) of {self.detail or 'all'}"
            case "thin":
                span = f"{self.days[0]} to {self.days[-1]}"
                return f"{self.table}: delete {len(self.days)} snapshots, {span}, {self.bytes / 1e6:.1f} MB"
            case "vacuum":
                return f"{self.table}: remove {self.files} files that nothing needs ({self.bytes / 1e6:.1f} MB)"
            case "properties":
                return f"{self.table}: set {self.detail}"


@dataclass(frozen=True)
class Upkeep:
    """Maintenance of the tables of one lake by this process; with `is_dry_run` it only says what it would do.

    Bronze has one writer, the stream, which compacts it itself (streaming/bronze_upkeep.py): here it is only vacuumed,
    which writes nothing to its log.
    """

    lake: str
    spark: Callable[[], SparkSession]
    today: date
    vacuum_hours: int
    snapshot_days: int
    is_dry_run: bool = False

    @classmethod
    def of(cls, settings: Settings, spark: Callable[[], SparkSession], *, is_dry_run: bool = False) -> "Upkeep":
        """By the settings, as of now; `spark` is asked for a session when there is something to do."""
        today = datetime.now(UTC).date()
        return cls(settings.lake, spark, today, settings.vacuum_hours, settings.snapshot_days, is_dry_run)

    def tables(self) -> list[Table]:
        """The product's tables that exist."""
        return [TABLES[name] for name in table_names(self.lake)]

    def run(self, table: Table) -> Iterator[Done]:
        """Do for one table what is due, and say each thing once it is done.

        Thinned first: what is deleted need not be compacted. Vacuumed last: it removes what the others left.
        """
        if table.stage != "bronze":
            with nullcontext() if self.is_dry_run else lease(self.lake, table.name, owner="upkeep"):
                yield from self.keep_log(table)
                if table == SNAPSHOTS:
                    yield from self.thin_snapshots()
                yield from self.compact(table)
        yield from self.vacuum(table)

    def compact(self, table: Table) -> Iterator[Done]:
        """Rewrite the small files of closed days, smallest first, until they are few."""
        closed = [one for one in partitions(self.lake, table) if self._is_closed(table, one.value(table.date_column))]
        pieces = list(pieces_of(closed, BATCH_POLICY))
        while pieces:
            for piece in pieces:
                if self.is_dry_run:
                    yield Done(table.name, "compact", piece.files, bytes=piece.bytes, detail=piece.partition.predicate)
                    continue
                ran = compact(self.spark(), self.lake, table, piece, BATCH_POLICY)
                detail = piece.partition.predicate
                yield Done(table.name, "compact", ran.removed, ran.added, piece.bytes, detail=detail)
            # A partition with more than one round takes another; what did not become less is left as it is.
            before = {piece.partition.values: piece.partition.sizes for piece in pieces}
            again = [] if self.is_dry_run else partitions(self.lake, table)
            pieces = list(
                pieces_of((one for one in again if before.get(one.values, one.sizes) != one.sizes), BATCH_POLICY)
            )

    def thin_snapshots(self) -> Iterator[Done]:
        """Delete old snapshots but the last of each month; the deleted days are in what is returned."""
        found = partitions(self.lake, SNAPSHOTS)
        files_of: dict[date, list[int]] = {}
        for one in found:
            if day := one.value(SNAPSHOTS.date_column):
                files_of.setdefault(date.fromisoformat(day), []).extend(one.sizes)
        days = days_to_thin(files_of, today=self.today, keep_days=self.snapshot_days)
        if not days:
            return
        if not self.is_dry_run:
            listed = ", ".join(f"DATE'{day}'" for day in days)
            path = table_path(self.lake, SNAPSHOTS.name)
            DeltaTable.forPath(self.spark(), path).delete(f"{SNAPSHOTS.date_column} IN ({listed})")
        sizes = [size for day in days for size in files_of[day]]
        yield Done(SNAPSHOTS.name, "thin", len(sizes), bytes=sum(sizes), days=tuple(days))

    def vacuum(self, table: Table) -> Iterator[Done]:
        """Remove files that no version of the last `vacuum_hours` needs, those of killed writers among them."""
        doomed = unneeded_files(self.lake, table, self.vacuum_hours)
        if not doomed:
            return
        held = _local_bytes(self.lake, table, doomed)
        if not self.is_dry_run:
            run_vacuum(self.spark(), self.lake, table, self.vacuum_hours)
        yield Done(table.name, "vacuum", len(doomed), bytes=held)

    def keep_log(self, table: Table) -> Iterator[Done]:
        """Keep the log for as long as the files: a version whose files are gone cannot be read.

        A table of an older version takes on here what is noted of its files, too.
        """
        wanted = log_properties(self.vacuum_hours) | noted_properties(table)
        if has_properties(self.lake, table, wanted):
            return
        if not self.is_dry_run:
            set_properties(self.spark(), self.lake, table, wanted)
        yield Done(table.name, "properties", detail=", ".join(f"{name} = {value}" for name, value in wanted.items()))

    def _is_closed(self, table: Table, day: str | None) -> bool:
        # Days are rewritten as a whole until they close; yesterday still may be.
        return table.date_column not in table.partition_by or day is None or day < str(self.today - timedelta(days=1))


def maintain(
    upkeep: Upkeep,
    report: Callable[[Done], object],
    *,
    begin: Callable[[str], object] = lambda table: None,
    end: Callable[[], object] = lambda: None,
) -> list[str]:
    """Do for every table what is due, and return one line for each that failed: the others have their turn."""
    failures = []
    for table in upkeep.tables():
        begin(table.name)
        try:
            for done in upkeep.run(table):
                report(done)
        except (LakeError, PySparkException, Py4JError, DeltaError) as error:
            failures.append(f"{table.name}: {str(error).splitlines()[0]}")
        end()
    return failures


def days_to_thin(days: Iterable[date], *, today: date, keep_days: int) -> list[date]:
    """Days older than `keep_days` that are not the last of their month; the newest day of all is never among them.

    Every later snapshot is carried forward from the newest one before it.
    """
    known = sorted(days)
    first_kept = today - timedelta(days=keep_days)
    return [day for day in known[:-1] if day < first_kept and (day + timedelta(days=1)).month == day.month]


def unneeded_files(lake: str, table: Table, hours: int) -> Sequence[str]:
    """Files that a VACUUM of `hours` would remove, as it would find them; nothing is written."""
    delta = open_table(lake, table.name)
    if delta is None:
        return []
    found = delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
    # Hadoop keeps a checksum beside each local file, and removes it with the file.
    return [name for name in found if not name.endswith(".crc")]


def run_vacuum(spark: SparkSession, lake: str, table: Table, hours: int) -> None:
    """VACUUM one table, without the two commits that would tell of it: the table may have another writer."""
    session = spark.newSession()
    session.conf.set("spark.databricks.delta.vacuum.logging.enabled", "false")
    # The policy is a setting: neither the table's own retention nor the check against it is to take its place.
    session.conf.set("spark.databricks.delta.vacuum.retentionWindowIgnore.enabled", "false")
    session.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    session.sql(f"VACUUM delta.`{table_path(lake, table.name)}` RETAIN {hours} HOURS").collect()


def _local_bytes(lake: str, table: Table, names: Sequence[str]) -> int:
    root = Path(table_path(lake, table.name))
    paths = [root / name for name in names] if "://" not in lake else []
    return sum(path.stat().st_size for path in paths if path.is_file())
