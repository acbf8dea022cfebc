"""The manifest: what a run plants, written before anything is sent."""

import os
from datetime import date
from pathlib import Path
from typing import Literal

import msgspec

from telemetry_platform.errors import VerificationError
from telemetry_platform.settings import Settings

Kpis = dict[str, int | str]
"""One day's values: counts are numbers, money and seconds are decimal text with six places."""


class Totals(msgspec.Struct, frozen=True):
    """What one sending of the run amounts to; `rejected` counts by the way an event was broken."""

    events_sent: int
    accepted: int
    rejected: dict[str, int]
    natural_copies: int
    id_collisions: int
    excluded_events: int
    silver_events: int

    @property
    def rejected_count(self) -> int:
        """Events the collector must refuse."""
        return sum(self.rejected.values())


class Manifest(msgspec.Struct, frozen=True):
    """Truth of one run of one game.

    `days` runs from `first_date` through `through_date`, the day the manifest was last written for.
    `activity` holds one hexadecimal bitmap per player (bit 0 is `first_date`), from which later
    days follow. `fingerprint` is the SHA-256 of all events in order: a run sent again must match it.
    """

    run_id: str
    kind: Literal["history", "live"]
    game_id: str
    seed: int
    players: int
    history_days: int
    first_date: date
    last_date: date
    through_date: date
    times_sent: int
    fingerprint: str
    totals: Totals
    days: dict[date, Kpis]
    activity: str

    def players_activity(self) -> list[int]:
        """Return the activity bitmap of each player."""
        return [int(bitmap, 16) for bitmap in self.activity.split()]


def write_manifest(settings: Settings, manifest: Manifest) -> Path:
    """Write the manifest atomically: readers see the old file or the new one."""
    settings.manifests_dir.mkdir(parents=True, exist_ok=True)
    path = settings.manifests_dir / f"{manifest.run_id}.json"
    draft = path.with_suffix(".json.new")
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return path


def read_manifests(settings: Settings) -> list[Manifest]:
    """Return all manifests of this home, in the order of their run ids."""
    return [_read(path) for path in sorted(settings.manifests_dir.glob("*.json"))]


def find_manifest(settings: Settings, run_id: str) -> Manifest | None:
    """Return the manifest of `run_id`, or None when it was never written."""
    path = settings.manifests_dir / f"{run_id}.json"
    return _read(path) if path.exists() else None


def _read(path: Path) -> Manifest:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise VerificationError(f"{path} is not a simulator manifest ({error}): remove it or restore it.") from error
