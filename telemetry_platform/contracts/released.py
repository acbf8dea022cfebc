"""The contract as it was last released, and what the present schema files break of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from telemetry_platform.contracts.compatibility import Break, breaking_changes
from telemetry_platform.contracts.inlining import inlined
from telemetry_platform.contracts.schemas import (
    EventType,
    Schema,
    builtin_folder,
    envelope,
    event_schemas,
    own_schemas,
)
from telemetry_platform.errors import ContractError

RELEASED_FILE = "released.json"
_LONGEST_SHOWN = 100


@dataclass(frozen=True)
class Contract:
    """The envelope and the event schemas that belong together, as their files say."""

    envelope: Schema
    events: Mapping[EventType, Schema]


@dataclass(frozen=True)
class ContractBreak:
    """A break with the event it is in; `event_name` and `event_version` are None for the envelope."""

    event_name: str | None
    event_version: int | None
    found: Break
    remedy: str

    @property
    def message(self) -> str:
        """Where, what was, what is, and what to do instead; one line."""
        where = "The envelope" if self.event_name is None else f"{self.event_name} version {self.event_version}"
        return f"{where} at {self.found.pointer or '/'}: {self.found.problem}: {_difference(self.found)}. {self.remedy}"

    def document(self) -> dict[str, Any]:
        """Return the break for a machine."""
        place = {"event_name": self.event_name, "event_version": self.event_version}
        return place | asdict(self.found) | {"remedy": self.remedy}


def builtin_contract() -> Contract:
    """Return the built-in schemas as their files are now."""
    return Contract(envelope(), event_schemas())


def game_contract(folder: Path) -> Contract:
    """Return the schemas of a game's events folder as they are now; raises ContractError."""
    return Contract(envelope(), own_schemas(folder))


def builtin_released_file() -> Path:
    """File of the built-in contract's last release, beside its folder of schemas."""
    return Path(str(builtin_folder())).parent / RELEASED_FILE


def read_released(file: Path | Traversable) -> Contract | None:
    """Return the last released contract, None where nothing was released; raises ContractError."""
    if not file.is_file():
        return None
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        events = {
            (name, int(version)): schema
            for name, versions in document["events"].items()
            for version, schema in versions.items()
        }
        return Contract(document["envelope"], events)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ContractError(
            f"{file} does not hold a released contract ({error!r}). Restore it from version control."
        ) from error


def write_released(file: Path, contract: Contract) -> None:
    """Record `contract` as released; the file is whole at any moment."""
    events: dict[str, dict[str, Schema]] = {}
    for (name, version), schema in sorted(contract.events.items()):
        events.setdefault(name, {})[str(version)] = schema
    text = json.dumps({"envelope": contract.envelope, "events": events}, indent=1, ensure_ascii=False)
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.write_text(f"{text}\n", encoding="utf-8")
    unfinished.replace(file)


def contract_breaks(released: Contract, present: Contract) -> list[ContractBreak]:
    """Everything of `released` that `present` no longer keeps; versions and events that are new break nothing."""
    return [*_envelope_breaks(released, present), *_event_breaks(released, present)]


def _envelope_breaks(released: Contract, present: Contract) -> Iterator[ContractBreak]:
    remedy = "The envelope has no version, every client relies on it: put it back as it was."
    before, after = (inlined(one.envelope, one.envelope) for one in (released, present))
    for found in breaking_changes(before, after):
        yield ContractBreak(None, None, found, remedy)


def _event_breaks(released: Contract, present: Contract) -> Iterator[ContractBreak]:
    for (name, version), schema in sorted(released.events.items()):
        following = 1 + max(number for one, number in released.events if one == name)
        now = present.events.get((name, version))
        if now is None:
            gone = Break("", "removed", f"{name} version {version}", None)
            yield ContractBreak(name, version, gone, "Clients still send it: put its schema file back.")
            continue
        remedy = f"Put version {version} back as it was released, and make the change in version {following}."
        for found in breaking_changes(inlined(schema, released.envelope), inlined(now, present.envelope)):
            yield ContractBreak(name, version, found, remedy)


def _difference(found: Break) -> str:
    """Say what was and what is; of two lists only the entries that differ."""
    if isinstance(found.was, list) and isinstance(found.now, list):
        gone = [one for one in found.was if one not in found.now]
        new = [one for one in found.now if one not in found.was]
        parts = [f"{_shown(gone)} is gone"] * bool(gone) + [f"{_shown(new)} is new"] * bool(new)
        return " and ".join(parts) or "the entries are in another order"
    return f"was {_shown(found.was)}, is {_shown(found.now)}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
