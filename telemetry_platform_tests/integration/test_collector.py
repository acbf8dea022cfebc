"""The collector as a real process in front of a real broker."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from telemetry_platform.games.keys import GameKeys
from telemetry_platform.games.registry import add_game
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.local import stack
from telemetry_platform.local.environment import environment_of
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, REJECTED_TOPIC, Settings
from telemetry_platform_tests.integration.topic_records import records_since

GAME = "collector_test"


@pytest.fixture(scope="module")
def keys(stack_settings: Settings) -> Iterator[GameKeys]:
    made = add_game(stack_settings, GAME, None)
    stack.up(stack_settings, without=frozenset({"warehouse", "bronze", "dagster"}))
    yield made
    stack.down(stack_settings)


def event(**changes: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()),
        "event_name": "heartbeat",
        "event_version": 1,
        "created_ts": "2026-01-01T00:00:00Z",
        "player_id": "p-1",
    } | changes


def post(settings: Settings, path: str, key: str, body: bytes, **headers: str) -> tuple[int, Any, Any]:
    request = urllib.request.Request(
        settings.collector_url + path, body, {"Authorization": f"Bearer {key}", **headers}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def batch(*events: Any) -> bytes:
    return json.dumps({"events": events}).encode()


def test_an_accepted_event_is_in_kafka_when_the_answer_arrives(stack_settings: Settings, keys: GameKeys):
    start = end_offsets(stack_settings.kafka)[EVENTS_TOPIC]
    sent = event(properties={"kept": [1, "zwei"]})
    status, answer, _ = post(
        stack_settings, "/v1/events", keys.write_key, gzip.compress(batch(sent)), **{"Content-Encoding": "gzip"}
    )
    assert (status, answer) == (202, {"accepted": 1, "rejected": []})
    (record,) = records_since(stack_settings.kafka, EVENTS_TOPIC, start)
    value = json.loads(record.value())
    assert record.key() == f"{GAME}:p-1".encode()
    assert {name: value[name] for name in sent} == sent
    assert (value["game_id"], value["source"]) == (GAME, "collector")


def test_a_broken_event_is_reported_by_index_and_kept_while_the_rest_of_its_batch_goes_on(
    stack_settings: Settings, keys: GameKeys
):
    starts = end_offsets(stack_settings.kafka)
    broken = b'{"event_id": "no-uuid",  "event_name": "heartbeat", "event_version": 1}'
    body = b'{"events": [' + b", ".join([json.dumps(event()).encode(), broken, json.dumps(event()).encode()]) + b"]}"
    status, answer, _ = post(stack_settings, "/v1/events", keys.write_key, body)
    assert status == 202
    assert answer["accepted"] == 2
    assert [(item["index"], item["error_type"]) for item in answer["rejected"]] == [(1, "schema_violation")]
    assert len(records_since(stack_settings.kafka, EVENTS_TOPIC, starts[EVENTS_TOPIC])) == 2
    (reject,) = records_since(stack_settings.kafka, REJECTED_TOPIC, starts[REJECTED_TOPIC])
    assert reject.value() == broken
    headers = {name: value.decode() for name, value in reject.headers()}
    assert (headers["game_id"], headers["error_type"], headers["event_id"]) == (GAME, "schema_violation", "no-uuid")


@pytest.mark.parametrize(
    ("path", "key", "body", "status", "error_type"),
    [
        ("/v1/events", "write", b"{not json", 400, "unreadable_body"),
        ("/v1/events", "write", b'{"events": 1}', 400, "unreadable_body"),
        ("/v1/events", "nobody", b'{"events": []}', 401, "unknown_key"),
        ("/v1/import", "write", b'{"events": []}', 403, "missing_right"),
        ("/v1/nothing", "write", b"", 404, "not_found"),
    ],
)
def test_a_request_that_cannot_be_taken_gets_its_status_and_a_reason(
    stack_settings: Settings, keys: GameKeys, path: str, key: str, body: bytes, status: int, error_type: str
):
    chosen = keys.write_key if key == "write" else "nobody"
    found, answer, _ = post(stack_settings, path, chosen, body)
    assert (found, answer["error_type"]) == (status, error_type)
    assert answer["error_message"]


def test_validation_says_the_same_and_writes_nothing(stack_settings: Settings, keys: GameKeys):
    before = end_offsets(stack_settings.kafka)
    status, answer, _ = post(
        stack_settings, "/v1/validate", keys.write_key, batch(event(), event(event_name="unknown"))
    )
    assert (status, answer["accepted"], answer["rejected"][0]["error_type"]) == (202, 1, "unknown_event")
    assert end_offsets(stack_settings.kafka) == before


def test_without_a_broker_the_answer_is_503_in_bounded_time_and_sigterm_ends_it(new_settings: Any, tmp_path: Any):
    settings = new_settings(tmp_path, TELEMETRY_KAFKA="127.0.0.1:9")
    made = add_game(settings, GAME, None)
    collector = subprocess.Popen(
        [sys.executable, "-m", "telemetry_platform.collector"],
        env=os.environ | environment_of(settings),
        cwd=PROJECT_ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(settings, "/healthz")
        assert get_status(settings, "/readyz") == 503
        started = time.monotonic()
        status, answer, headers = post(settings, "/v1/events", made.write_key, batch(event()))
        assert (status, answer["error_type"]) == (503, "unavailable")
        assert int(headers["Retry-After"]) > 0
        assert time.monotonic() - started < 20
    finally:
        collector.send_signal(signal.SIGTERM)
        assert collector.wait(30) in {0, -signal.SIGTERM}


def wait_for(settings: Settings, path: str) -> None:
    deadline = time.monotonic() + 30
    while get_status(settings, path) != 200:
        assert time.monotonic() < deadline, f"{path} did not answer 200 in 30 s"
        time.sleep(0.1)


def get_status(settings: Settings, path: str) -> int | None:
    try:
        with urllib.request.urlopen(settings.collector_url + path, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
