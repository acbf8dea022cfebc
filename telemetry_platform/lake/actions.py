"""The actions of a Delta log: which files a commit adds and removes, and of their statistics what is asked for.

Statistics are decoded by name only. A log holds the least and greatest value of each column, and a client's time
before the year 1 among them is one that Python cannot hold.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

# How a folder spells the partition of rows whose value is NULL.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

_NO_VALUES: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class AddedFile:
    """A data file in a log: its path relative to the table, partition values as the log spells them, its rows.

    `min_values`, `max_values` and `null_count` hold the columns that were asked for, as the JSON's plain values.
    `deletion_vector` names the vector of rows that are deleted in the file; `num_records` leaves them out.
    """

    path: str
    partition_values: dict[str, str | None]
    num_records: int | None
    min_values: dict[str, Any]
    max_values: dict[str, Any]
    null_count: dict[str, int]
    is_data_change: bool
    deletion_vector: str | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """What identifies a file in a log: the same path with another deletion vector is another file."""
        return self.path, self.deletion_vector


@dataclass(frozen=True)
class Commit:
    """One commit: its version, what made it, and the files it added and removed.

    Compaction moves rows between files: its commits are no data change.
    """

    version: int
    operation: str
    is_data_change: bool
    added: tuple[AddedFile, ...]
    removed_paths: tuple[str, ...]


class DeletionVector(msgspec.Struct, rename="camel"):
    """Which vector of deleted rows belongs to a file, and how many rows it deletes."""

    storage_type: str
    path_or_inline_dv: str
    cardinality: int
    offset: int | None = None

    @property
    def name(self) -> str:
        """The vector's identity within the table, as the Delta protocol spells it."""
        place = f"{self.storage_type}{self.path_or_inline_dv}"
        return place if self.offset is None else f"{place}@{self.offset}"


class Add(msgspec.Struct, rename="camel"):
    """An `add` action."""

    path: str
    partition_values: dict[str, str | None]
    data_change: bool = True
    stats: str | None = None
    deletion_vector: DeletionVector | None = None

    def file(self, columns: Collection[str] | None = ()) -> AddedFile:
        """The file, with its number of rows and the statistics of `columns`; None: with neither."""
        stats = _STATS.decode(self.stats) if self.stats and columns is not None else _NO_STATS
        vector, rows = self.deletion_vector, stats.num_records
        if vector is not None and rows is not None:
            rows -= vector.cardinality
        return AddedFile(
            self.path,
            self.partition_values,
            rows,
            _named(stats.min_values, columns),
            _named(stats.max_values, columns),
            _named(stats.null_count, columns),
            self.data_change,
            vector.name if vector is not None else None,
        )


class Remove(msgspec.Struct, rename="camel"):
    """A `remove` action."""

    path: str
    data_change: bool = True
    deletion_vector: DeletionVector | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """What identifies the file in the log."""
        return self.path, self.deletion_vector.name if self.deletion_vector is not None else None


class MetaData(msgspec.Struct, rename="camel"):
    """A `metaData` action: the table's identity and schema."""

    id: str
    schema_string: str
    partition_columns: list[str]
    configuration: dict[str, str | None] = {}


class Protocol(msgspec.Struct, rename="camel"):
    """A `protocol` action: what a reader must be able to do."""

    min_reader_version: int
    reader_features: list[str] | None = None


class CommitInfo(msgspec.Struct):
    """A `commitInfo` action."""

    operation: str = ""


class Action(msgspec.Struct, rename="camel"):
    """One line of a commit; other kinds of action are passed over."""

    add: Add | None = None
    remove: Remove | None = None
    meta_data: MetaData | None = None
    protocol: Protocol | None = None
    commit_info: CommitInfo | None = None


class _Stats(msgspec.Struct, rename="camel"):
    num_records: int | None = None
    min_values: dict[str, msgspec.Raw] = {}
    max_values: dict[str, msgspec.Raw] = {}
    null_count: dict[str, msgspec.Raw] = {}


_NO_STATS = _Stats()
_STATS = msgspec.json.Decoder(_Stats)
_ACTION = msgspec.json.Decoder(Action)


def actions_of(lines: bytes) -> list[Action]:
    """Decode the lines of a commit file."""
    return _ACTION.decode_lines(lines)


def commit_of(version: int, actions: Iterable[Action], columns: Collection[str]) -> Commit:
    """Gather the actions of a commit, with the statistics of `columns`."""
    operation, is_data_change = "", False
    added, removed = [], []
    for action in actions:
        if action.add is not None:
            added.append(action.add.file(columns))
            is_data_change |= action.add.data_change
        elif action.remove is not None:
            removed.append(action.remove.path)
            is_data_change |= action.remove.data_change
        elif action.commit_info is not None:
            operation = action.commit_info.operation
    return Commit(version, operation, is_data_change, tuple(added), tuple(removed))


def _named(values: dict[str, msgspec.Raw], columns: Collection[str] | None) -> dict[str, Any]:
    if not columns:
        return _NO_VALUES
    return {name: msgspec.json.decode(values[name]) for name in columns if name in values}


def partition_values_in(path: str) -> dict[str, str | None] | None:
    """Partition values that the folders of a file's path say, as the log writes it; None when one says none.

    Nothing obliges a path to name its partition, or to name it rightly.
    """
    *folders, _ = unquote(path).split("/")
    values = dict(folder.split("=", 1) for folder in folders if "=" in folder)
    if len(values) != len(folders):
        return None
    return {name: None if text == _NO_VALUE else unquote(text) for name, text in values.items()}
