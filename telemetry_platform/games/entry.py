"""One game's registry entry: its YAML file, read into a `Game`."""

import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from telemetry_platform.errors import GameRegistryError
from telemetry_platform.games.entry_yaml import read_yaml
from telemetry_platform.games.game import Funnel, FunnelStep, Game, Quota, TestSubject

LONGEST_FUNNEL_SECONDS = 7 * 86_400
_GAME_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    event: _Text
    where: dict[str, str | int | float | bool] = {}


class _Funnel(msgspec.Struct, forbid_unknown_fields=True):
    name: _Text
    window_seconds: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_FUNNEL_SECONDS)]
    steps: Annotated[list[_Step], msgspec.Meta(min_length=2)]


class _TestPlayer(msgspec.Struct, forbid_unknown_fields=True):
    player_id: _Text
    valid_from: date = msgspec.field(name="from")


class _TestBuild(msgspec.Struct, forbid_unknown_fields=True):
    build_version: _Text
    valid_from: date = msgspec.field(name="from")


class _Quota(msgspec.Struct, forbid_unknown_fields=True):
    events_per_second: _Count = Quota.events_per_second
    bytes_per_second: _Count = Quota.bytes_per_second
    burst_seconds: _Count = Quota.burst_seconds


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """The file as written; defaults are `Game`'s."""

    name: _Text
    session_gap_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = Game.session_gap_minutes
    reporting_currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = Game.reporting_currency
    lateness_horizon_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = Game.lateness_horizon_days
    quota: _Quota = msgspec.field(default_factory=_Quota)
    personal_properties: dict[_Text, Literal["drop", "hash"]] = {}
    test_players: list[_TestPlayer] = []
    test_builds: list[_TestBuild] = []
    funnels: list[_Funnel] = []
    events: _Text | None = None


def read_game(path: Path, game_id: str | None = None) -> Game:
    """Parse one registry entry; raises GameRegistryError that names the file, the field and the remedy."""
    game_id = check_game_id(game_id or path.stem)
    try:
        document = read_yaml(path)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise GameRegistryError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(document, dict):
        raise GameRegistryError(f"{path} must be a mapping of fields; at the least `name: {game_id}`.")
    try:
        entry = msgspec.convert(document, _Entry)
    except msgspec.ValidationError as error:
        raise GameRegistryError(f"{path}: {_explain(str(error))}") from error
    _check_names(path, entry)
    return _to_game(game_id, entry, path.parent)


def check_game_id(game_id: str) -> str:
    """Return `game_id`; raises GameRegistryError unless it can be a file name and part of a Kafka key."""
    if not _GAME_ID.fullmatch(game_id):
        raise GameRegistryError(
            f"{game_id!r} cannot be a game's id: use 1 to 63 lower-case letters, digits, `_` or `-`, "
            "beginning with a letter or digit."
        )
    return game_id


def _explain(message: str) -> str:
    """Turn a type error into one that names the field first and says what helps."""
    reason, _, place = message.partition(" - at ")
    remedy = " Put it in quotes." if reason.startswith("Expected `str`, got") else ""
    if reason.startswith("Object contains unknown field"):
        remedy = " Remove it, or correct its spelling."
    return f"{place.strip('`').removeprefix('$.') or 'entry'}: {reason}.{remedy}"


def _check_names(path: Path, entry: _Entry) -> None:
    twice = [name for name, count in Counter(funnel.name for funnel in entry.funnels).items() if count > 1]
    if twice:
        raise GameRegistryError(f"{path}: funnels: the name {twice[0]!r} is used twice. Rename one of them.")
    if entry.events is not None and not (path.parent / entry.events).is_dir():
        raise GameRegistryError(
            f"{path}: events: {entry.events!r} is not a folder beside it. Create it, or remove the field."
        )


def _to_game(game_id: str, entry: _Entry, folder: Path) -> Game:
    quota: dict[str, Any] = msgspec.structs.asdict(entry.quota)
    return Game(
        game_id=game_id,
        name=entry.name,
        session_gap_minutes=entry.session_gap_minutes,
        reporting_currency=entry.reporting_currency,
        lateness_horizon_days=entry.lateness_horizon_days,
        quota=Quota(**quota),
        personal_properties=entry.personal_properties,
        test_players=tuple(TestSubject(one.player_id, one.valid_from) for one in entry.test_players),
        test_builds=tuple(TestSubject(one.build_version, one.valid_from) for one in entry.test_builds),
        funnels=tuple(
            Funnel(
                funnel.name, funnel.window_seconds, tuple(FunnelStep(step.event, step.where) for step in funnel.steps)
            )
            for funnel in entry.funnels
        ),
        events=None if entry.events is None else folder / entry.events,
    )
