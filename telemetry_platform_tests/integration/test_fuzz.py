"""Generated input finds no 5xx: from the collector's own description, and by breaking valid batches.

`TELEMETRY_FUZZ_SECONDS` (60) is shared between the tests of this file; 600 is a good value by hand.
"""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry_platform.games.registry import add_game
from telemetry_platform_tests.integration.own_stack import running_collector, settings_on_free_ports

SECONDS = float(os.environ.get("TELEMETRY_FUZZ_SECONDS", "60"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
ODD_BYTES = (b"\0", b'"', b"{", b"]", b",", b"\\", b"\xff", b"\xed\xa0\x80", b"1e999")
STATUSES = frozenset({202, 400, 408, 413, 415, 429})
REQUEST_ERRORS = STATUSES - {202}
EXAMPLES = sorted(
    file.read_bytes()
    for folder in (files("telemetry_platform.contracts") / "events").iterdir()
    if folder.is_dir()
    for file in folder.iterdir()
    if file.name.endswith(".pass.json")
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**12, 10**30, 1e308, float("nan"), float("inf")),
    *(
        "",
        "x",
        "\0",
        "\ud800",
        "x" * 1000,
        "2026-02-30T00:00:00Z",
        "9999-12-31T23:59:59Z",
        [],
        [[[]]],
        {},
        {"": {"": 1}},
    ),
)


@dataclass(frozen=True)
class Fuzzed:
    """The collector under test."""

    url: str
    write_key: str
    import_key: str


@pytest.fixture(scope="module")
def fuzzed(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    own = settings_on_free_ports(tmp_path_factory.mktemp("fuzz"), TELEMETRY_KAFKA=broker)
    keys = add_game(own, "fuzzed", None)
    with running_collector(own):
        yield Fuzzed(own.collector_url, keys.write_key, keys.import_key)


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize(
    ("key", "choice", "share"),
    [
        ("write_key", ["--include-path", "/v1/events", "--include-path", "/v1/validate"], 0.35),
        ("import_key", ["--include-path", "/v1/import"], 0.15),
        # Apart from the others: a path with parameters would take nearly all of their time.
        ("write_key", ["--include-method", "GET"], 0.1),
    ],
)
def test_answers_are_those_of_the_description(
    fuzzed: Fuzzed, key: str, choice: list[str], share: float, tmp_path: Path
):
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{fuzzed.url}/openapi.json", "--checks", CHECKS]
    command += ["--max-time", str(max(1, round(SECONDS * share))), "--max-examples", "1000000", *choice]
    command += ["--header", f"Authorization: Bearer {getattr(fuzzed, key)}"]
    command += ["--generation-database", "none", "--warnings", "off", "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@st.composite
def broken_batches(draw: st.DrawFn) -> tuple[bytes, str]:
    """Draw a body and its Content-Encoding: valid events, some values swapped, some bytes changed."""
    events = [json.loads(example) for example in draw(st.lists(st.sampled_from(EXAMPLES), max_size=6))]
    for _ in range(draw(st.integers(0, 3)) if events else 0):
        _swap_a_value(draw, draw(st.sampled_from(events)))
    body = json.dumps({"sent_ts": "2026-11-23T12:00:00Z", "events": events}).encode()
    encoding = draw(st.sampled_from(["", "", "gzip"]))
    breaks_inside = draw(st.booleans())
    if breaks_inside:
        body = _break_bytes(draw, body)
    if encoding == "gzip":
        body = gzip.compress(body, 1)
        if not breaks_inside:
            body = _break_bytes(draw, body)
    return body, encoding


def _swap_a_value(draw: st.DrawFn, event: dict[str, Any]) -> None:
    place = event
    properties = event.get("properties")
    if isinstance(properties, dict) and properties and draw(st.booleans()):
        place = properties
    name = draw(st.sampled_from(sorted(place)))
    change = draw(st.sampled_from(["swap", "swap", "drop", "rename"]))
    value = place.pop(name)
    if change == "swap":
        place[name] = draw(st.sampled_from(ODD_VALUES))
    elif change == "rename":
        place[draw(st.text(max_size=5))] = value


def _break_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    broken = bytearray(body)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(broken)))
        kind = draw(st.sampled_from(["flip", "insert", "drop", "cut", "repeat"]))
        if kind == "flip" and at < len(broken):
            broken[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            broken[at:at] = draw(
                st.sampled_from([b"\0", b'"', b"{", b"]", b",", b"\\", b"\xff", b"\xed\xa0\x80", b"1e999"])
            )
        elif kind == "drop":
            del broken[at : at + draw(st.integers(1, 20))]
        elif kind == "cut":
            del broken[at:]
        else:
            broken[at:at] = broken[at : at + draw(st.integers(1, 200))]
    return bytes(broken)


@pytest.mark.timeout(SECONDS + 300)
def test_a_broken_batch_is_accounted_for_event_by_event_or_refused_as_a_whole(fuzzed: Fuzzed):
    pool = urllib3.PoolManager(maxsize=1, retries=False, timeout=30)

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(broken_batches())
    def try_one(case: tuple[bytes, str]) -> None:
        body, encoding = case
        headers = {"Authorization": f"Bearer {fuzzed.write_key}", "Content-Encoding": encoding or "identity"}
        reply = pool.request("POST", f"{fuzzed.url}/v1/events", body=body, headers=headers)
        assert reply.status in STATUSES, reply.data
        if reply.status in REQUEST_ERRORS:
            assert set(reply.json()) == {"error_type", "error_message", "request_id"}
            return
        indexes = [item["index"] for item in reply.json()["rejected"]]
        plain = gzip.decompress(body) if encoding else body
        sent = json.loads(plain.decode("utf-8", "surrogateescape"), strict=False)["events"]
        assert reply.json()["accepted"] + len(indexes) == len(sent)
        assert indexes == sorted(set(indexes))
        assert all(0 <= index < len(sent) for index in indexes)

    deadline = time.monotonic() + SECONDS * 0.4
    while time.monotonic() < deadline:
        try_one()
    headers = {"Authorization": f"Bearer {fuzzed.write_key}"}
    assert pool.request("POST", f"{fuzzed.url}/v1/events", body=b'{"events":[]}', headers=headers).status == 202
