"""Sending a simulation: the truth is on disk first, answers are checked, a second time is the same."""

import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
import yaml

from telemetry_platform.errors import GameRegistryError, SettingsError, VerificationError
from telemetry_platform.games.registry import load_games, local_keys
from telemetry_platform.settings import Settings, read_settings
from telemetry_platform.simulator import sending
from telemetry_platform.simulator.manifest import read_manifests
from telemetry_platform.simulator.plan import Faults, default_plans, game_files
from telemetry_platform.simulator.simulate import register_games, simulate_history, simulate_live
from telemetry_platform.simulator.truth import expected_kpis

TODAY = date(2026, 11, 23)
KNOWN = {"install", "session_start", "session_end", "heartbeat", "tutorial_started", "tutorial_completed"}
KNOWN |= {"level_started", "level_completed", "level_failed", "store_opened", "item_viewed", "checkout_started"}
KNOWN |= {"purchase", "purchase_failed", "refund", "ad_impression", "economy_source", "economy_sink"}
KNOWN |= {"client_error", "performance"}
ENVELOPE = {"event_id", "event_name", "event_version", "created_ts", "player_id", "device_id", "session_id"}
ENVELOPE |= {"platform", "build_version", "country", "environment", "properties"}


@dataclass(frozen=True)
class Rejected:
    index: int
    error_type: str
    error_message: str


@dataclass(frozen=True)
class Answer:
    accepted: int
    rejected: tuple[Rejected, ...]


@dataclass
class Collector:
    """Stands where the client would be; `allows` decides on an event as tables.md words it."""

    settings: Settings
    manifests_when_asked: list[int] = field(default_factory=list)
    requests: list[tuple[str, list[dict], datetime | None]] = field(default_factory=list)
    is_strict: bool = True

    def client(self, url: str, key: str, *, path: str = "/v1/events") -> "Client":
        assert url == self.settings.collector_url
        assert key
        return Client(self, path)


@dataclass
class Client:
    collector: Collector
    path: str

    def send(self, events, *, sent_ts=None) -> Answer:
        decoded = [json.loads(event) for event in events]
        self.collector.manifests_when_asked.append(len(read_manifests(self.collector.settings)))
        self.collector.requests.append((self.path, decoded, sent_ts))
        refused = [index for index, event in enumerate(decoded) if self.collector.is_strict and not allows(event)]
        rejected = tuple(Rejected(index, "schema", "breaks its schema") for index in refused)
        return Answer(len(decoded) - len(rejected), rejected)


def allows(event: dict) -> bool:
    zoned = event["created_ts"].endswith("Z") or event["created_ts"][-6] in "+-"
    return (
        set(event) <= ENVELOPE
        and "event_id" in event
        and event["event_name"] in KNOWN
        and isinstance(event["event_version"], int)
        and ("player_id" in event or "device_id" in event)
        and event.get("properties", {}).get("price_minor", 0) >= 0
        and zoned
    )


@pytest.fixture
def home(tmp_path) -> Settings:
    return read_settings({"TELEMETRY_HOME": str(tmp_path), "TELEMETRY_COLLECTOR_PORT": "38080"})


@pytest.fixture
def collector(home, monkeypatch) -> Collector:
    fake = Collector(home)
    monkeypatch.setattr(sending, "TelemetryClient", fake.client)
    return fake


def plans(players: int = 60) -> dict:
    faults = Faults(malformed_rate=0.02, duplicate_rate=0.05, collision_every=50)
    return {
        game_id: replace(plan, players=players, live_events=400, faults=faults)
        for game_id, plan in default_plans().items()
    }


def test_the_manifests_are_on_disk_before_the_first_request(home, collector):
    simulate_history(home, days=4, today=TODAY, plans=plans())
    assert set(collector.manifests_when_asked) == {2}
    assert {path for path, _, _ in collector.requests} == {"/v1/import"}
    assert {sent_ts for _, _, sent_ts in collector.requests} == {None}


def test_the_summary_counts_what_the_collector_answered_and_progress_reaches_the_total(home, collector):
    reports: list[tuple[int, int]] = []
    sent = simulate_history(home, days=4, today=TODAY, plans=plans(), report=lambda *now: reports.append(now))
    manifests = {manifest.game_id: manifest for manifest in read_manifests(home)}
    for summary in sent:
        totals = manifests[summary.game_id].totals
        assert (summary.accepted, summary.rejected) == (totals.accepted, totals.rejected_count)
        assert summary.rejected > 0
    total = sum(summary.accepted + summary.rejected for summary in sent)
    assert reports[-1] == (total, total)


def test_a_collector_that_lets_broken_events_through_is_an_error(home, collector):
    collector.is_strict = False
    with pytest.raises(VerificationError, match=r"let [0-9]+ broken ones through"):
        simulate_history(home, days=4, today=TODAY, plans=plans())


def test_a_later_day_sends_the_same_history_again_and_extends_its_truth(home, collector):
    simulate_history(home, days=4, today=TODAY, plans=plans())
    first = sorted(json.dumps(events) for _, events, _ in collector.requests)
    collector.requests.clear()
    # Other numbers are asked for, but this home has its history already.
    again = simulate_history(home, days=6, today=TODAY + timedelta(days=2), plans=plans(players=90))
    assert sorted(json.dumps(events) for _, events, _ in collector.requests) == first
    assert [summary.times_sent for summary in again] == [2, 2]
    assert len(read_manifests(home)) == 2
    assert max(day for _, day in expected_kpis(home)) == TODAY + timedelta(days=2)


def test_another_seed_plants_a_second_history_beside_the_first(home, collector):
    simulate_history(home, days=4, today=TODAY, plans=plans())
    one = expected_kpis(home)
    simulate_history(home, days=4, today=TODAY, plans=plans(), seed=99)
    assert len(read_manifests(home)) == 4
    assert expected_kpis(home)["demo_rpg", date(2026, 11, 20)]["dau"] > one["demo_rpg", date(2026, 11, 20)]["dau"]


def test_live_requests_are_stamped_by_the_clock_of_the_device(home, collector):
    many = {game_id: replace(plan, live_events=3_000) for game_id, plan in plans().items()}
    simulate_live(home, now=datetime.now(UTC), plans=many)
    errors = [abs(sent_ts - datetime.now(UTC)) for _, _, sent_ts in collector.requests]
    assert {path for path, _, _ in collector.requests} == {"/v1/events"}
    assert sum(error < timedelta(minutes=5) for error in errors) > len(errors) / 2
    assert max(errors) > timedelta(days=300)
    for _, events, sent_ts in collector.requests:
        for event in filter(allows, events):
            assert timedelta(0) < sent_ts - datetime.fromisoformat(event["created_ts"]) < timedelta(days=11)


def test_every_live_run_is_a_run_of_its_own(home, collector):
    simulate_live(home, now=datetime(2026, 11, 23, 12, tzinfo=UTC), plans=plans())
    simulate_live(home, now=datetime(2026, 11, 23, 13, tzinfo=UTC), plans=plans())
    assert len(read_manifests(home)) == 4


def test_a_history_before_the_first_partition_is_refused(home, collector):
    with pytest.raises(SettingsError, match="TELEMETRY_START_DATE"):
        simulate_history(replace(home, start_date=TODAY), days=4, today=TODAY, plans=plans())


def test_a_game_registered_with_another_session_gap_is_refused(home):
    home.games_dir.mkdir(parents=True)
    (home.games_dir / "demo_rpg.yaml").write_text("name: Mine\nsession_gap_minutes: 45\n")
    with pytest.raises(GameRegistryError, match="registered with 45"):
        simulate_live(home, plans={"demo_rpg": plans()["demo_rpg"]})


def test_an_entry_without_keys_gets_keys(home):
    home.games_dir.mkdir(parents=True)
    (home.games_dir / "demo_puzzle.yaml").write_text("name: Mine\n")
    assert register_games(home) == ["demo_rpg"]
    assert local_keys(home, "demo_puzzle").import_key


def test_the_registry_carries_each_games_session_gap(home):
    assert register_games(home) == ["demo_puzzle", "demo_rpg"]
    assert register_games(home) == []
    gaps = {game_id: game.session_gap_minutes for game_id, game in load_games(home.games_dir).games.items()}
    assert gaps == {"demo_puzzle": 30, "demo_rpg": 20}
    assert {yaml.safe_load(text)["session_gap_minutes"] for text in game_files().values()} == {20, 30}


def test_the_simulator_loads_nothing_of_what_it_judges():
    forbidden = ("telemetry_platform.transforms", "telemetry_platform.contracts", "telemetry_platform.lake", "pyspark")
    script = f"import sys, telemetry_platform.simulator; sys.exit(any(m.startswith({forbidden}) for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
