"""The files of a table's log: commits by number, and checkpoints, on a disk or in an object store.

The folder is not listed where that can be helped: a stream that commits every second leaves millions of files.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from deltalake.exceptions import TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from telemetry_platform.errors import LakeError, LogTruncated
from telemetry_platform.lake.actions import Action, actions_of

_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet")


class _LastCheckpoint(msgspec.Struct):
    version: int
    parts: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """The state of a table at `version`, in one Parquet file or several."""

    version: int
    files: tuple[str, ...]

    @classmethod
    def of(cls, version: int, parts: int | None) -> "Checkpoint":
        """The files of a checkpoint, by the names the Delta protocol gives them."""
        name = f"_delta_log/{version:020}.checkpoint"
        if parts is None:
            return cls(version, (f"{name}.parquet",))
        return cls(version, tuple(f"{name}.{part:010}.{parts:010}.parquet" for part in range(1, parts + 1)))


@dataclass(frozen=True)
class LogFolder:
    """A table's folder; paths within it are relative to the table."""

    address: str
    filesystem: fs.FileSystem

    @classmethod
    def at(cls, address: str) -> "LogFolder | None":
        """The folder of a table, or None; object stores are reached as delta-rs reaches them, by the same settings."""
        address = address.replace("s3a://", "s3://")
        if "://" in address:
            try:
                return cls(address, fs.PyFileSystem(DeltaStorageHandler(address)))
            except TableNotFoundError:
                return None
        if not os.path.isdir(f"{address}/_delta_log"):  # noqa: PTH112 - a plain stat
            return None
        # The folder may have any name: pyarrow would take one with a colon for an address.
        return cls(address, fs.SubTreeFileSystem(os.path.abspath(address), fs.LocalFileSystem()))  # noqa: PTH100

    def holds_table(self) -> bool:
        """Whether a table was ever written here."""
        return self._has(_commit_name(0)) or self.last_checkpoint() is not None

    def commit(self, version: int) -> list[Action] | None:
        """Read a commit; None when its file is not there."""
        lines = self._read(_commit_name(version))
        return None if lines is None else actions_of(lines)

    def commits_after(self, version: int) -> Iterator[tuple[int, list[Action]]]:
        """Read the commits after `version`, oldest first, up to the newest."""
        while (actions := self.commit(version := version + 1)) is not None:
            yield version, actions

    def require_commits_after(self, version: int) -> None:
        """Raise LogTruncated unless every commit after `version` is still there."""
        if any(self._has(_commit_name(known)) for known in (version + 1, version) if known >= 0):
            return
        if (checkpoint := self.last_checkpoint()) is not None and checkpoint.version == version:
            return
        raise LogTruncated(f"{self.address}: the commits after version {version} are no longer in the log.")

    def last_checkpoint(self) -> Checkpoint | None:
        """The checkpoint that the log's pointer names; None when there is no pointer."""
        pointer = self._read("_delta_log/_last_checkpoint")
        if pointer is None:
            return None
        try:
            named = msgspec.json.decode(pointer, type=_LastCheckpoint)
        except msgspec.DecodeError:
            return None  # the pointer is a hint: one that was cut off while it was written names nothing
        return Checkpoint.of(named.version, named.parts)

    def newest_checkpoint_listed(self) -> Checkpoint | None:
        """The newest complete checkpoint in the folder, for when the pointer is missing or behind."""
        selector = fs.FileSelector("_delta_log", allow_not_found=True)
        found: dict[tuple[int, int | None], int] = {}
        for entry in self.filesystem.get_file_info(selector):
            if match := _CHECKPOINT.fullmatch(entry.base_name):
                kind = int(match[1]), int(match[3]) if match[3] else None
                found[kind] = found.get(kind, 0) + 1
        complete = [kind for kind, count in found.items() if count == (kind[1] or 1)]
        return Checkpoint.of(*max(complete, key=lambda kind: kind[0])) if complete else None

    def has(self, checkpoint: Checkpoint) -> bool:
        """Whether all files of a checkpoint are there."""
        return all(map(self._has, checkpoint.files))

    def _has(self, path: str) -> bool:
        return self.filesystem.get_file_info(path).type == fs.FileType.File

    def _read(self, path: str) -> bytes | None:
        try:
            with self.filesystem.open_input_stream(path) as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LakeError(f"{self.address}/{path} cannot be read: {error}") from error


def _commit_name(version: int) -> str:
    return f"_delta_log/{version:020}.json"
