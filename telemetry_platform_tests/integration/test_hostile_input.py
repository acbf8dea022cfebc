"""Everything hostile is answered with its stated status and type, and nothing of it outlives its request.

One collector process takes all of it, in front of a real broker; after every case it has to take a good
request, and at the end its largest resident size is looked at.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_platform.games.registry import add_game
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.settings import EVENTS_TOPIC, Settings
from telemetry_platform_tests.integration.hostile_bodies import batch, event
from telemetry_platform_tests.integration.hostile_cases import BODY_CASES, Case
from telemetry_platform_tests.integration.hostile_event_cases import EVENT_CASES
from telemetry_platform_tests.integration.hostile_http_cases import HTTP_CASES
from telemetry_platform_tests.integration.hostile_wire import Reply, Request, Target
from telemetry_platform_tests.integration.own_stack import running_collector, settings_on_free_ports
from telemetry_platform_tests.integration.topic_records import records_since

CASES = [*BODY_CASES, *EVENT_CASES, *HTTP_CASES]
BODY_SECONDS = 2
LARGEST_RESIDENT_KIB = 512 * 1024
GOOD = Request(lambda: batch(event()))


@pytest.fixture(scope="module")
def settings(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_on_free_ports(tmp_path_factory.mktemp("hostile"), TELEMETRY_KAFKA=broker)


@pytest.fixture(scope="module")
def pid(settings: Settings) -> Iterator[int]:
    with running_collector(settings, TELEMETRY_BODY_SECONDS=str(BODY_SECONDS)) as found:
        yield found


@pytest.fixture(scope="module")
def target(settings: Settings, pid: int) -> Target:
    keys, other = add_game(settings, "hostile", None), add_game(settings, "another", None)
    return Target(settings.collector_port, keys.write_key, keys.import_key, other.write_key)


def test_there_are_at_least_sixty_cases_and_each_has_a_name_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_input_gets_its_stated_answer_and_the_next_good_request_is_taken(case: Case, target: Target):
    reply = case.send(target)
    try:
        assert_stated(case, reply)
    finally:
        after = GOOD(target)
        assert after is not None
        assert (after.status, after.document) == (202, {"accepted": 1, "rejected": []})


def assert_stated(case: Case, reply: Reply | None) -> None:
    if reply is None:
        assert case.status is None, "the connection ended without an answer"
        return
    assert reply.status == case.status, reply.body[:500]
    assert not {"x-evil", "set-cookie"} & set(reply.headers)
    if case.error_type is not None:
        assert reply.document["error_type"] == case.error_type, reply.document
        assert reply.document["error_message"]
        assert reply.document["request_id"] == reply.headers["x-request-id"]
        assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", reply.headers["x-request-id"])
    if case.accepted is not None:
        found = tuple(item["error_type"] for item in reply.document["rejected"])
        assert (reply.document["accepted"], found) == (case.accepted, case.rejects), reply.document


def test_of_a_key_that_stands_twice_the_last_value_is_what_lands_in_kafka(target: Target, settings: Settings):
    start = end_offsets(settings.kafka)[EVENTS_TOPIC]
    twice = event(player_id="first")[:-1] + b',"player_id":"last"}'
    reply = Request(batch(twice))(target)
    assert reply is not None
    assert reply.status == 202
    (record,) = records_since(settings.kafka, EVENTS_TOPIC, start)
    assert record.key() == b"hostile:last"
    assert json.loads(record.value())["player_id"] == "last"


def test_after_all_of_it_the_process_never_held_more_than_512_mib(pid: int):
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert peak is not None
    assert int(peak[1]) < LARGEST_RESIDENT_KIB
