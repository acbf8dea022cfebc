"""How far an import has come, kept until it is complete, so that the same command goes on there."""

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from telemetry_platform.settings import Settings


@dataclass
class Summary:
    """Counts of an import; `rejected` by error type, lines that are no JSON object among them.

    `first_date` and `last_date` are the UTC days between which accepted events were created; `error` says why the
    file could not be read to its end; `bronze_lag_records` is None where nobody here can tell.
    """

    file: str
    game_id: str
    read: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_messages: dict[str, str] = field(default_factory=dict)
    first_date: str | None = None
    last_date: str | None = None
    error: str | None = None
    bronze_lag_records: int | None = None

    def accept(self, event: bytes) -> None:
        """Count an accepted event and its day."""
        self.accepted += 1
        try:
            created = datetime.fromisoformat(_DECODE(event).created_ts)
            day = created.astimezone(UTC).date().isoformat()
        except (msgspec.MsgspecError, ValueError, OverflowError):
            # The collector reads more ways to write a time than this does: the days are for the reader alone.
            return
        self.first_date = min(day, self.first_date or day)
        self.last_date = max(day, self.last_date or day)

    def reject(self, place: int, error_type: str, message: str) -> None:
        """Count a reject and keep the first message of its type, with the event's number in the file."""
        self.rejected[error_type] += 1
        self.first_messages.setdefault(error_type, f"event {place}: {message}")

    def document(self) -> dict[str, Any]:
        """Return the counts for JSON; `asdict` would count a Counter's items anew."""
        return {**vars(self), "rejected": dict(self.rejected)}


class _Created(msgspec.Struct):
    created_ts: str


_DECODE = msgspec.json.Decoder(_Created).decode


class _Record(msgspec.Struct):
    read: int
    accepted: int
    rejected: dict[str, int]
    first_messages: dict[str, str]
    first_date: str | None = None
    last_date: str | None = None


class Progress:
    """The record of one file's import into one game at one collector, in `<home>/imports`.

    The file is known by its content, whatever its path. The record is written after each batch's
    acknowledgement: at most one batch is sent a second time, under the same event ids.
    """

    def __init__(self, settings: Settings, file: Path, game_id: str) -> None:
        with file.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        identity = hashlib.sha256(f"{digest} {game_id} {settings.collector_url}".encode()).hexdigest()
        self._path = settings.home / "imports" / f"{identity}.json"
        self._file, self._game_id = file, game_id

    def load(self) -> Summary:
        """Return the counts so far; those of a new import when there is no record that can be read."""
        summary = Summary(str(self._file), self._game_id)
        try:
            record = msgspec.json.decode(self._path.read_bytes(), type=_Record)
        except (FileNotFoundError, msgspec.MsgspecError):
            return summary
        summary.read, summary.accepted = record.read, record.accepted
        summary.first_date, summary.last_date = record.first_date, record.last_date
        summary.rejected.update(record.rejected)
        summary.first_messages.update(record.first_messages)
        return summary

    def save(self, summary: Summary) -> None:
        """Keep the counts; `summary.read` events need not be sent again."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps(summary.document()), encoding="utf-8")
        beside.replace(self._path)

    def remove(self) -> None:
        """Forget the import: it is complete, or is to begin anew."""
        self._path.unlink(missing_ok=True)
