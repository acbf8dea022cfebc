"""The examples beside the schemas: events that must pass and events that must fail, as their names say."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from telemetry_platform.contracts.catalogue import Catalogue
from telemetry_platform.contracts.schemas import EventType
from telemetry_platform.errors import ContractError

_EXAMPLE = re.compile(
    r"(?P<name>[a-z][a-z0-9_]{0,63})\.(?P<version>[1-9]\d{0,8})\.(?P<case>[^.]+)\.(?P<verdict>pass|fail)\.json"
)


@dataclass(frozen=True)
class Example:
    """One example event: `<event>.<version>.<case>.pass.json` must be accepted, `….fail.json` refused."""

    file: str
    event_name: str
    event_version: int
    case: str
    is_accepted: bool
    document: Any

    @property
    def event(self) -> EventType:
        """Name and version of the event it is an example of."""
        return self.event_name, self.event_version


def read_examples(folder: Path | Traversable) -> list[Example]:
    """Return the examples in `folder` and in the folders under it, by file name; raises ContractError."""
    files = [file for entry in folder.iterdir() for file in ([entry] if entry.is_file() else entry.iterdir())]
    named = sorted((file.name, file) for file in files if file.is_file())
    return [_read(file, found) for name, file in named if (found := _EXAMPLE.fullmatch(name))]


def untrue_examples(examples: Iterable[Example], catalogue: Catalogue) -> list[str]:
    """Say of each example that does not do what its name says what it does instead."""
    found = []
    for example in examples:
        contract = catalogue.get(*example.event)
        if contract is None:
            found.append(f"{example.file}: {example.event_name} has no version {example.event_version}.")
            continue
        accepted = isinstance(example.document, dict) and contract.accepts(example.document)
        if accepted and not example.is_accepted:
            found.append(f"{example.file} must fail, but it is accepted.")
        elif example.is_accepted and not accepted:
            reasons = (
                "; ".join(one.message for one in contract.problems(example.document))
                if isinstance(example.document, dict)
                else "it is no JSON object"
            )
            found.append(f"{example.file} must pass, but it is refused: {reasons}.")
    return found


def _read(file: Path | Traversable, named: re.Match[str]) -> Example:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ContractError(f"{file} cannot be read as JSON: {error}.") from error
    version, is_accepted = int(named["version"]), named["verdict"] == "pass"
    return Example(file.name, named["name"], version, named["case"], is_accepted, document)
