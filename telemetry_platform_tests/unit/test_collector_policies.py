"""What a game's registry entry does at the edge, and that a change is followed live."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from telemetry_platform.collector import metrics
from telemetry_platform.collector.deciding import Rules
from telemetry_platform.collector.decoding import Decoded, decode
from telemetry_platform.collector.error_types import EventError
from telemetry_platform.collector.policies import GamePolicies, GamePolicy
from telemetry_platform.collector.privacy import Redactor, hash_key
from telemetry_platform.collector.quotas import GameQuota
from telemetry_platform.contracts.catalogue import builtin_catalogue
from telemetry_platform.games.game import Quota
from telemetry_platform.settings import Limits, Settings, read_settings

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOSS = {"type": "object", "properties": {"boss": {"type": "string"}, "hits": {"type": "integer"}}, "required": ["boss"]}


def event(name: str = "heartbeat", **properties: Any) -> dict[str, Any]:
    return {
        "event_id": "7f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10",
        "event_name": name,
        "event_version": 1,
        "created_ts": "2026-11-23T11:59:50Z",
        "player_id": "p-1",
        "properties": properties,
    }


def decode_for(policy: GamePolicy | None, *events: dict[str, Any], country: str | None = None) -> Decoded:
    assert policy is not None
    rules = Rules(
        policy=policy,
        source="collector",
        received=RECEIVED,
        start_date=date(2023, 1, 1),
        limits=Limits(),
        country=country,
    )
    return decode(json.dumps({"events": list(events)}).encode(), rules)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = read_settings({"TELEMETRY_HOME": str(tmp_path)})
    settings.games_dir.mkdir()
    return settings


def register(settings: Settings, entry: str, game_id: str = "g") -> None:
    """Write an entry all at once, with a time stamp that no earlier one had."""
    temporary = settings.games_dir / "new"
    temporary.write_text(entry)
    temporary.replace(settings.games_dir / f"{game_id}.yaml")


def add_schema(settings: Settings, path: str, schema: Any) -> None:
    file = settings.games_dir / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(schema))


def test_a_game_without_an_entry_has_the_defaults(settings: Settings):
    policy = GamePolicies(settings, check_seconds=0).get("nobody")
    assert policy is not None
    assert (policy.horizon, policy.redactor) == (timedelta(days=30), None)


@pytest.mark.parametrize("path", ["own/boss_beaten/1.json", "own/boss_beaten.1.json"])
def test_a_games_own_event_is_enforced_like_a_built_in_one_and_is_nobody_elses(settings: Settings, path: str):
    add_schema(settings, path, BOSS)
    register(settings, "name: G\nevents: own\n")
    register(settings, "name: H\n", "h")
    policies = GamePolicies(settings, check_seconds=0)
    decoded = decode_for(
        policies.get("g"),
        event("boss_beaten", boss="Ursa", hits=3),
        event("boss_beaten", hits=3),
        event("boss_beaten", boss="Ursa", hits=3.0),
    )
    assert [reject.error_message.partition(":")[0] for reject in decoded.rejects] == ["/properties", "/properties/hits"]
    assert len(decoded.records) == 1
    (other,) = decode_for(policies.get("h"), event("boss_beaten", boss="Ursa")).rejects
    assert other.error_type == EventError.UNKNOWN_EVENT


def test_a_schema_may_describe_the_whole_event_as_the_built_in_ones_do(settings: Settings):
    whole = {"$ref": "urn:telemetry:envelope", "properties": {"properties": BOSS}, "required": ["properties"]}
    add_schema(settings, "own/boss_beaten/1.json", whole)
    register(settings, "name: G\nevents: own\n")
    policy = GamePolicies(settings, check_seconds=0).get("g")
    assert len(decode_for(policy, event("boss_beaten", boss="Ursa")).records) == 1
    assert len(decode_for(policy, event("boss_beaten", boss="Ursa") | {"extra": 1}).rejects) == 1


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_reference_to_the_files_own_definitions_holds_for_fractions_too(settings: Settings, is_whole: bool):
    definitions = {"$defs": {"count": {"type": "integer", "minimum": 0}}}
    described = {"type": "object", "properties": {"hits": {"$ref": "#/$defs/count"}}}
    whole = {"$ref": "urn:telemetry:envelope", "properties": {"properties": described}}
    add_schema(settings, "own/boss_beaten/1.json", (whole if is_whole else described) | definitions)
    register(settings, "name: G\nevents: own\n")
    policy = GamePolicies(settings, check_seconds=0).get("g")
    decoded = decode_for(policy, *(event("boss_beaten", hits=hits) for hits in (3, 3.0, -1)))
    assert [reject.index for reject in decoded.rejects] == [1, 2]


def test_a_long_list_of_values_is_named_by_its_beginning():
    contract = builtin_catalogue().get("purchase", 1)
    assert contract is not None
    bought = {"transaction_id": "t", "product_id": "p", "price_minor": 1, "currency": "QQQ"}
    (problem,) = contract.problems(event("purchase", **bought))
    assert problem.pointer == "/properties/currency"
    assert problem.expected.endswith("in all)")
    assert len(problem.expected) < 100


def test_a_new_schema_is_followed_without_a_restart(settings: Settings):
    add_schema(settings, "own/boss_beaten/1.json", BOSS)
    register(settings, "name: G\nevents: own\n")
    policies = GamePolicies(settings, check_seconds=0)
    new = event("gate_opened", gate="north")
    assert len(decode_for(policies.get("g"), new).rejects) == 1
    add_schema(settings, "own/gate_opened/1.json", {"type": "object"})
    assert len(decode_for(policies.get("g"), new).records) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "nonsense"},
        {"properties": {"a": {"$ref": "https://elsewhere.example/schema"}}},
        {"properties": {"a": {"pattern": "(["}}},
    ],
)
def test_a_broken_schema_keeps_the_rules_the_game_had(settings: Settings, broken: Any):
    add_schema(settings, "own/boss_beaten/1.json", BOSS)
    register(settings, "name: G\nevents: own\npersonal_properties: {email: drop}\n")
    policies = GamePolicies(settings, check_seconds=0)
    before = policies.get("g")
    add_schema(settings, "own/broken/1.json", broken)
    assert policies.get("g") is before


def test_an_entry_that_was_never_right_stops_its_game_only(settings: Settings):
    register(settings, "nam: G\n")
    policies = GamePolicies(settings, check_seconds=0)
    assert policies.get("g") is None
    assert policies.get("h") is not None
    register(settings, "name: G\n")
    assert policies.get("g") is not None


def test_a_link_that_leads_nowhere_is_a_broken_entry_and_no_game_without_one(settings: Settings):
    (settings.games_dir / "g.yaml").symlink_to("nowhere")
    (settings.games_dir / "h.yaml").symlink_to("h.yaml")
    (settings.games_dir / "i.yaml").mkdir()
    policies = GamePolicies(settings, check_seconds=0)
    assert [policies.get(game_id) for game_id in "ghi"] == [None] * 3
    assert policies.get("j") is not None
    assert unreadable() == {"g", "h", "i"}
    (settings.games_dir / "g.yaml").unlink()
    register(settings, "name: H\n", "h")
    assert policies.get("g") is not None
    assert policies.get("h") is not None
    assert unreadable() == {"i"}


def test_an_entry_that_breaks_later_is_counted_and_keeps_its_rules(settings: Settings):
    register(settings, "name: G\npersonal_properties: {email: drop}\n")
    policies = GamePolicies(settings, check_seconds=0)
    before = policies.get("g")
    register(settings, "name: [\n")
    assert policies.get("g") is before
    assert "g" in unreadable()


def unreadable() -> set[str]:
    return {
        sample.labels["game_id"] for metric in metrics.UNREADABLE.collect() for sample in metric.samples if sample.value
    }


def test_what_an_entry_refers_to_can_be_mended_alone(settings: Settings):
    register(settings, "name: G\nevents: own\n")
    policies = GamePolicies(settings, check_seconds=0)
    assert policies.get("g") is None
    (settings.games_dir / "own").mkdir()
    assert policies.get("g") is not None


def test_a_games_folder_that_cannot_be_listed_lets_no_game_fall_back_to_the_defaults(settings: Settings):
    register(settings, "name: G\npersonal_properties: {email: drop}\n")
    policies = GamePolicies(settings, check_seconds=0)
    before = policies.get("g")
    aside = settings.games_dir.rename(settings.games_dir.with_name("aside"))
    settings.games_dir.write_text("a file")
    assert policies.get("g") is before
    assert policies.get("h") is None
    settings.games_dir.unlink()
    aside.rename(settings.games_dir)
    assert policies.get("g") is before
    assert policies.get("h") is not None


def test_a_built_in_name_cannot_be_taken(settings: Settings):
    add_schema(settings, "own/purchase/2.json", BOSS)
    register(settings, "name: G\nevents: own\n")
    assert GamePolicies(settings, check_seconds=0).get("g") is None


def test_the_games_own_horizon_decides_what_is_too_late(settings: Settings):
    register(settings, "name: G\nlateness_horizon_days: 2\n")
    policy = GamePolicies(settings, check_seconds=0).get("g")
    sent = {"sent_ts": "2026-11-23T12:00:00Z", "events": [event() | {"created_ts": "2026-11-20T12:00:00Z"}]}
    assert policy is not None
    rules = Rules(policy=policy, source="collector", received=RECEIVED, start_date=date(2023, 1, 1), limits=Limits())
    (reject,) = decode(json.dumps(sent).encode(), rules).rejects
    assert reject.error_type == EventError.TOO_LATE


def test_personal_properties_are_gone_or_hashed_before_kafka_at_any_depth(settings: Settings):
    register(settings, "name: G\npersonal_properties: {email: drop, real_name: hash}\n")
    policy = GamePolicies(settings, check_seconds=0).get("g")
    sent = event(email="a@b.example", real_name="Ada", friends=[{"real_name": "Ada", "email": "x"}], score=1)
    ((_, value),) = decode_for(policy, sent).records
    properties = json.loads(value)["properties"]
    assert properties["real_name"] == properties["friends"][0]["real_name"] != "Ada"
    assert len(properties["real_name"]) == 64
    assert (set(properties), set(properties["friends"][0])) == ({"real_name", "friends", "score"}, {"real_name"})


def test_a_reject_keeps_nothing_personal_either_and_its_reason_does_not_repeat_it(settings: Settings):
    register(settings, "name: G\npersonal_properties: {level: hash, email: drop}\n")
    policy = GamePolicies(settings, check_seconds=0).get("g")
    (reject,) = decode_for(policy, event("level_started", level=["secret"], email="secret")).rejects
    assert b"secret" not in reject.raw
    assert "secret" not in reject.error_message
    assert json.loads(reject.raw)["event_name"] == "level_started"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [(b'{"a": NaN}', b'{"a": NaN}'), (b'{"email": NaN}', b""), (b'{"\\u0065mail": NaN}', b"")],
)
def test_unreadable_bytes_are_kept_only_where_they_can_hold_nothing_personal(raw: bytes, kept: bytes):
    assert Redactor({"email": "drop"}, b"key").redact_raw(raw, {}) == kept


def test_two_games_hash_the_same_value_differently_and_one_game_alike(tmp_path: Path):
    first, again, other = (hash_key(tmp_path, game) for game in ("g", "g", "h"))
    assert first == again != other
    assert (tmp_path / "personal" / "g.key").stat().st_mode & 0o777 == 0o600


def test_a_hash_key_that_was_cut_off_refuses_its_game_alone_until_it_is_mended(settings: Settings):
    key = settings.keys_dir / "personal" / "g.key"
    key.parent.mkdir(parents=True)
    key.write_text("")
    register(settings, "name: G\npersonal_properties: {email: hash}\n")
    register(settings, "name: H\npersonal_properties: {email: hash}\n", "h")
    policies = GamePolicies(settings, check_seconds=0)
    assert policies.get("g") is None
    assert policies.get("h") is not None
    key.unlink()
    assert policies.get("g") is not None


def test_a_country_the_proxy_knows_fills_in_for_one_the_event_does_not_name(settings: Settings):
    policy = GamePolicies(settings, check_seconds=0).get("g")
    decoded = decode_for(policy, event(), event() | {"country": "DE"}, country="FR")
    assert [json.loads(value)["country"] for _, value in decoded.records] == ["FR", "DE"]


def test_a_quota_lets_bursts_through_then_the_rate_and_says_how_long_to_wait():
    now = [0.0]
    quota = GameQuota(Quota(events_per_second=10, bytes_per_second=10**9, burst_seconds=2), clock=lambda: now[0])
    quota.charge(events=19)
    assert quota.wait_seconds() == 0
    quota.charge(events=31)
    assert quota.wait_seconds() == 3
    now[0] = 2.9
    assert quota.wait_seconds() == 1
    now[0] = 3.1
    assert quota.wait_seconds() == 0
    now[0] = 1000.0
    quota.wait_seconds()
    quota.charge(events=20)
    assert quota.wait_seconds() > 0, "what was not used does not pile up beyond the burst"


def test_bytes_count_as_events_do():
    quota = GameQuota(Quota(events_per_second=10, bytes_per_second=100, burst_seconds=1), clock=lambda: 0.0)
    quota.charge(size=350)
    assert quota.wait_seconds() == 3


def test_a_changed_entry_does_not_refill_a_quota_that_stayed_the_same(settings: Settings):
    register(settings, "name: G\nquota: {events_per_second: 5}\n")
    policies = GamePolicies(settings, check_seconds=0)
    policy = policies.get("g")
    assert policy is not None
    policy.quota.charge(events=1000)
    register(settings, "name: Renamed\nquota: {events_per_second: 5}\n")
    changed = policies.get("g")
    assert changed is not None
    assert changed is not policy
    assert changed.quota.wait_seconds() > 0


@pytest.mark.parametrize(
    ("created_ts", "sent_ts", "expected"),
    [
        ("2026-11-23T11:59:50Z", None, {}),
        ("1970-01-21T11:00:00Z", None, {"fell_back": 1}),
        ("2036-11-23T11:59:50Z", None, {"fell_back": 1}),
        ("2036-11-23T11:59:50Z", "2036-11-23T11:59:55Z", {"sender_years_off": 1}),
        ("1970-01-21T11:00:00Z", "1970-01-21T11:00:05Z", {"sender_years_off": 1}),
        ("1970-01-21T11:00:00Z", "2026-11-23T12:00:00Z", {"too_late": 1}),
        ("2026-11-23T12:00:05Z", "2026-11-23T12:00:00Z", {"capped": 1}),
    ],
)
def test_wrong_clocks_are_counted_by_kind(created_ts: str, sent_ts: str | None, expected: dict[str, int]):
    body = json.dumps({"sent_ts": sent_ts, "events": [event() | {"created_ts": created_ts}]}).encode()
    rules = Rules(
        policy=GamePolicy("g", timedelta(days=30)),
        source="collector",
        received=RECEIVED,
        start_date=date(2023, 1, 1),
        limits=Limits(),
    )
    assert decode(body, rules).clock == expected
