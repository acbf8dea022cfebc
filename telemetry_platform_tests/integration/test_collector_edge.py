"""What the internet meets: quotas, pages of other origins, kept-alive connections, ids, logs, the description."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import pytest
import urllib3

from telemetry_platform.games.registry import add_game
from telemetry_platform.local import stack
from telemetry_platform.settings import Settings
from telemetry_platform_tests.integration.test_collector import batch, event

QUIET, NOISY = "quiet", "noisy"
NOISY_ENTRY = """
name: Noisy
quota: {events_per_second: 50, bytes_per_second: 1000000, burst_seconds: 1}
personal_properties: {email: drop}
events: noisy_events
"""


@dataclass(frozen=True)
class Edge:
    """A running collector, the write keys of two games, and where its log is."""

    settings: Settings
    keys: dict[str, str]
    pool: urllib3.PoolManager

    def ask(self, method: str, path: str, game: str | None = None, body: Any = None, **headers: str) -> Any:
        if game is not None:
            headers["Authorization"] = f"Bearer {self.keys[game]}"
        return self.pool.request(method, self.settings.collector_url + path, body=body, headers=headers, retries=False)


@pytest.fixture(scope="module")
def edge(new_settings: Any, broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    home = tmp_path_factory.mktemp("edge")
    settings = new_settings(
        home, TELEMETRY_KAFKA=broker, TELEMETRY_CORS_ORIGINS="https://play.example", TELEMETRY_HEAD_SECONDS="2"
    )
    schema = settings.games_dir / "noisy_events" / "boss_beaten" / "1.json"
    schema.parent.mkdir(parents=True)
    schema.write_text(json.dumps({"properties": {"boss": {"type": "string"}}, "required": ["boss"]}))
    entry = home / "noisy.yaml"
    entry.write_text(NOISY_ENTRY.replace("noisy_events", str(schema.parent.parent)))
    keys = {QUIET: add_game(settings, QUIET, None).write_key, NOISY: add_game(settings, NOISY, entry).write_key}
    stack.up(settings, without=frozenset({"warehouse", "bronze", "dagster"}))
    yield Edge(settings, keys, urllib3.PoolManager())
    stack.down(settings)


def test_a_noisy_game_is_held_back_and_told_when_to_come_again_and_the_quiet_one_notices_nothing(edge: Edge):
    body = batch(*(event() for _ in range(200)))
    first = edge.ask("POST", "/v1/events", NOISY, body)
    second = edge.ask("POST", "/v1/events", NOISY, body)
    assert (first.status, second.status) == (202, 429)
    assert second.json()["error_type"] == "over_quota"
    wait = int(second.headers["Retry-After"])
    assert 1 <= wait <= 4
    for _ in range(20):
        assert edge.ask("POST", "/v1/events", QUIET, body).status == 202
        assert edge.ask("POST", "/v1/events", NOISY, body).status in {202, 429}
    deadline = time.monotonic() + 30
    while (status := edge.ask("POST", "/v1/events", NOISY, batch(event())).status) != 202:
        assert time.monotonic() < deadline, f"the noisy game was never let in again: {status}"
        time.sleep(0.2)


def test_validation_says_where_what_was_expected_and_what_was_there(edge: Edge):
    wrong = event(event_name="purchase", properties={"price_minor": -1, "currency": 7}, surprise=True)
    answer = edge.ask("POST", "/v1/validate", QUIET, batch(event(), wrong)).json()
    (rejected,) = answer["rejected"]
    found = {error["pointer"]: (error["expected"], error["got"]) for error in rejected["errors"]}
    assert found["/properties/price_minor"] == ("minimum 0", -1)
    assert found["/properties/currency"][1] == 7
    assert found["/surprise"] == ("no such key", True)
    assert "/properties" in found, "the missing transaction_id"


def test_a_games_own_events_are_listed_served_and_taken_with_its_key_only(edge: Edge):
    def listed(game: str | None) -> set[str]:
        return {item["event_name"] for item in edge.ask("GET", "/v1/schemas", game).json()}

    assert listed(NOISY) - listed(None) == {"boss_beaten"}
    assert listed(QUIET) == listed(None)
    schema = edge.ask("GET", "/v1/schemas/boss_beaten/1", NOISY).json()
    own = event(event_name="boss_beaten", properties={"boss": "Ursa"})
    assert jsonschema_rs.validator_for(schema).is_valid(own)
    assert edge.ask("GET", "/v1/schemas/boss_beaten/1", QUIET).status == 404


def test_a_page_of_an_allowed_origin_may_send_and_of_another_may_not(edge: Edge):
    asked = {"Origin": "https://play.example", "Access-Control-Request-Method": "POST"}
    allowed = edge.ask("OPTIONS", "/v1/events", **asked)
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (204, "https://play.example")
    assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
    sent = edge.ask("POST", "/v1/events", QUIET, batch(event()), Origin="https://play.example")
    assert (sent.status, sent.headers["Access-Control-Allow-Origin"]) == (202, "https://play.example")
    refused = edge.ask("OPTIONS", "/v1/events", **asked | {"Origin": "https://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in refused.headers
    assert "Access-Control-Allow-Methods" not in refused.headers


def test_a_request_id_is_kept_when_it_is_a_plain_word_and_made_when_not(edge: Edge):
    assert edge.ask("GET", "/healthz", **{"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    made = edge.ask("GET", "/healthz", **{"X-Request-Id": 'a"b'}).headers["X-Request-Id"]
    assert len(made) == 32
    refused = edge.ask("POST", "/v1/events", body=b"{}", **{"X-Request-Id": "abc-2"})
    assert (refused.status, refused.json()["request_id"]) == (401, "abc-2")


def test_the_access_log_has_what_is_needed_and_nothing_of_the_client(edge: Edge):
    sent = event(player_id="somebody")
    edge.ask("POST", "/v1/events", QUIET, batch(sent), **{"X-Request-Id": "log-me"})
    log = (edge.settings.logs_dir / "collector.log").read_text()
    (line,) = [line for line in log.splitlines() if "request_id=log-me" in line]
    assert "path=/v1/events status=202" in line
    assert f"game_id={QUIET}" in line
    assert "accepted=1 rejected=0" in line
    log = log.replace(edge.settings.kafka, "the broker")
    assert not any(secret in log for secret in ("somebody", edge.keys[QUIET], sent["event_id"], "127.0.0.1:"))


def test_pipelined_requests_on_one_connection_are_answered_in_order(edge: Edge):
    body = batch(event())
    head = f"Host: x\r\nAuthorization: Bearer {edge.keys[QUIET]}\r\nContent-Length: {len(body)}\r\n"
    requests = b"".join(
        f"POST /v1/events HTTP/1.1\r\nX-Request-Id: n{number}\r\n{head}\r\n".encode() + body for number in range(5)
    )
    with socket.create_connection(("127.0.0.1", edge.settings.collector_port), timeout=20) as connection:
        connection.sendall(requests + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.count(b"HTTP/1.1 202") == 5
    places = [answer.index(f"x-request-id: n{number}\r\n".encode()) for number in range(5)]
    assert places == sorted(places)
    assert answer.rstrip().endswith(b'{"status":"ok"}')


def test_half_a_head_is_closed_by_the_setting_and_a_broken_entry_shows_in_the_metrics(edge: Edge):
    (edge.settings.games_dir / "broken.yaml").write_text("name: [")
    with socket.create_connection(("127.0.0.1", edge.settings.collector_port), timeout=20) as connection:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Half: ")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408")
    assert edge.ask("POST", "/v1/events", QUIET, batch(event())).status == 202
    text = edge.ask("GET", "/metrics").data.decode()
    assert 'telemetry_collector_games_unreadable{game_id="broken"} 1.0' in text
    assert 'telemetry_collector_closed_connections_total{reason="slow_head"}' in text


def test_the_metrics_count_by_type_and_game(edge: Edge):
    edge.ask("POST", "/v1/events", QUIET, batch(event(), event(event_name="unknown")))
    text = edge.ask("GET", "/metrics").data.decode()
    for expected in (
        'telemetry_collector_accepted_events_total{game_id="quiet",source="collector"}',
        'telemetry_collector_rejected_events_total{error_type="unknown_event",game_id="quiet"}',
        'telemetry_collector_over_quota_requests_total{game_id="noisy"}',
        "telemetry_collector_produce_seconds_bucket",
        "telemetry_collector_queued_records",
        "telemetry_collector_in_flight_bytes 0.0",
    ):
        assert expected in text


def test_the_description_is_openapi_with_every_path(edge: Edge):
    described = edge.ask("GET", "/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for path in ("/v1/events", "/v1/import", "/v1/validate", "/v1/schemas", "/healthz", "/readyz", "/metrics"):
        assert path in described["paths"]
