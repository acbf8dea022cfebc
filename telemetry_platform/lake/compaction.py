"""Small files of a table, and how they become few: Delta's OPTIMIZE, a bounded piece at a time.

Its commits say `dataChange=false`: they change no row, and who follows the log for new rows passes over them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.log import open_table, table_path

MEBIBYTE = 1024**2


@dataclass(frozen=True)
class Policy:
    """When files are few and large enough, and how much one round may rewrite.

    A file of `small_bytes` or more is left alone, so that what was compacted is not rewritten with every round. Rounds
    of `round_bytes` and `round_files` bound what a killed process has done in vain.
    """

    least_files: int
    small_bytes: int = 16 * MEBIBYTE
    target_bytes: int = 128 * MEBIBYTE
    round_bytes: int = 256 * MEBIBYTE
    round_files: int = 2000


@dataclass(frozen=True)
class Partition:
    """One partition: its values, the sizes of its files, and what its files span when that is known.

    Spans are in days since 1970, as numbers: a client's clock can name days that a Python date cannot hold.
    """

    values: tuple[tuple[str, str | None], ...]
    sizes: tuple[int, ...]
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def predicate(self) -> str:
        """SQL that is true for this partition alone; empty for a table without partitions."""
        return " AND ".join(
            f"{name} IS NULL" if value is None else f"{name} = {_quoted(value)}" for name, value in self.values
        )

    def value(self, column: str) -> str | None:
        """Value of one partition column."""
        return dict(self.values).get(column)


@dataclass(frozen=True)
class Piece:
    """What one round rewrites: the files of a partition that are smaller than `below_bytes`."""

    partition: Partition
    files: int
    bytes: int
    below_bytes: int


@dataclass(frozen=True)
class Rewritten:
    """Files that a round took away and put in their place."""

    removed: int
    added: int


def partitions(lake: str, table: Table, *, span_column: str | None = None) -> list[Partition]:
    """Partitions of a table with the sizes of their files, from its log; empty when it does not exist."""
    delta = open_table(lake, table.name)
    if delta is None:
        return []
    actions = pa.table(delta.get_add_actions(flatten=True))
    found: dict[tuple[tuple[str, str | None], ...], list[tuple[int, Any, Any]]] = {}
    columns = [actions[f"partition.{name}"].cast(pa.string()).to_pylist() for name in table.partition_by]
    nothing = [None] * len(actions)
    ends = [
        actions[name].cast(pa.date32()).cast(pa.int32()).to_pylist() if name in actions.column_names else nothing
        for name in (f"min.{span_column}", f"max.{span_column}")
    ]
    for row, size in enumerate(actions["size_bytes"].to_pylist()):
        values = tuple((name, column[row]) for name, column in zip(table.partition_by, columns, strict=True))
        found.setdefault(values, []).append((size, ends[0][row], ends[1][row]))
    return [
        Partition(
            values,
            tuple(sorted(size for size, _, _ in files)),
            tuple(sorted((first, last) for _, first, last in files if first is not None and last is not None)),
        )
        for values, files in sorted(found.items(), key=lambda item: str(item[0]))
    ]


def piece_of(partition: Partition, policy: Policy) -> Piece | None:
    """The smallest files of a partition, as many as one round may rewrite; None when they are few."""
    small = [size for size in partition.sizes if size < policy.small_bytes]
    if len(small) < max(2, policy.least_files):
        return None
    taken, total = 0, 0
    for size in small:
        if taken >= 2 and (taken >= policy.round_files or total + size > policy.round_bytes):
            break
        taken, total = taken + 1, total + size
    below = policy.small_bytes if taken == len(small) else small[taken - 1] + 1
    return Piece(partition, taken, total, below)


def pieces_of(found: Iterable[Partition], policy: Policy) -> Iterator[Piece]:
    """One piece of each partition that has many small files."""
    for partition in found:
        piece = piece_of(partition, policy)
        if piece is not None:
            yield piece


def is_sorted(partition: Partition) -> bool:
    """Whether its files hardly overlap by day, so that a reader of one day opens few of them.

    Sorted files span the partition's days once between them, unsorted ones up to once each.
    """
    if len(partition.spans) < 2:
        return True
    days = max(last for _, last in partition.spans) - min(first for first, _ in partition.spans)
    return sum(last - first for first, last in partition.spans) <= 2 * days


def compact(spark: SparkSession, lake: str, table: Table, piece: Piece, policy: Policy) -> Rewritten:
    """Rewrite the files of one piece into files of the target size, in one commit."""
    return _optimize(spark, lake, table, piece.partition, policy, below_bytes=piece.below_bytes)


def sort_partition(
    spark: SparkSession, lake: str, table: Table, partition: Partition, policy: Policy, *, by: str
) -> Rewritten:
    """Rewrite all files of one partition in the order of a column."""
    return _optimize(spark, lake, table, partition, policy, sort_by=by)


def _optimize(
    spark: SparkSession,
    lake: str,
    table: Table,
    partition: Partition,
    policy: Policy,
    *,
    below_bytes: int = 0,
    sort_by: str | None = None,
) -> Rewritten:
    # A session of its own: OPTIMIZE takes its bounds from the session, and other work must not see them.
    session = spark.newSession()
    for name, value in _bounds(policy, below_bytes).items():
        session.conf.set(name, value)
    builder = DeltaTable.forPath(session, table_path(lake, table.name)).optimize()
    if partition.predicate:
        builder = builder.where(partition.predicate)
    done = builder.executeZOrderBy(sort_by) if sort_by else builder.executeCompaction()
    metrics = done.collect()[0]["metrics"]
    return Rewritten(int(metrics["numFilesRemoved"]), int(metrics["numFilesAdded"]))


def _bounds(policy: Policy, below_bytes: int) -> Mapping[str, str]:
    return {
        "spark.databricks.delta.optimize.minFileSize": str(below_bytes or policy.small_bytes),
        "spark.databricks.delta.optimize.maxFileSize": str(policy.target_bytes),
        # One new file at a time: on a laptop the other core is for who waits for rows.
        "spark.databricks.delta.optimize.maxThreads": "1",
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
