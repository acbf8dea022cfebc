"""The planted truth against an independent count over the events that are sent."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from telemetry_platform.settings import Settings, read_settings
from telemetry_platform.simulator.history import history
from telemetry_platform.simulator.live import clear_of_midnight, live
from telemetry_platform.simulator.manifest import write_manifest
from telemetry_platform.simulator.plan import Faults, GamePlan, default_plans
from telemetry_platform.simulator.run import Run
from telemetry_platform.simulator.truth import daily_rows, days_through, expected_kpis

FIRST = date(2026, 10, 24)
MANY_FAULTS = Faults(duplicate_rate=0.05, malformed_rate=0.02, collision_every=50, excluded_player_share=0.05)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tiny(game_id: str = "demo_rpg", *, players: int = 150, live_events: int = 1_200) -> GamePlan:
    plan = default_plans()[game_id]
    return replace(plan, players=players, live_events=live_events, payer_share=0.3, faults=MANY_FAULTS)


def settings(tmp_path) -> Settings:
    return read_settings({"TELEMETRY_HOME": str(tmp_path)})


def accepted_events(run: Run) -> list[dict]:
    """Events that pass the collector, first copy of each id, with `at`: microseconds on the server's clock."""
    kept: dict[str, dict] = {}
    for request in run.requests:
        for index, raw in enumerate(request.events):
            if index not in request.rejected:
                event = json.loads(raw)
                when = datetime.fromisoformat(event["created_ts"]) - request.clock_offset
                event["at"] = (when - EPOCH) // timedelta(microseconds=1)
                kept.setdefault(event["event_id"], event)
    return list(kept.values())


def day(event: dict) -> date:
    return (EPOCH + timedelta(microseconds=event["at"])).date()


def brute_force(run: Run, gap_minutes: int) -> dict[date, dict[str, Decimal | int]]:
    """Every value of every day, by the words of metrics.md and the plainest loops."""
    events = [event for event in accepted_events(run) if event["environment"] == "production"]
    rows: dict[date, dict] = defaultdict(lambda: defaultdict(int))
    seen = defaultdict(set)
    streams = defaultdict(list)
    for event in events:
        player = event.get("player_id") or event["device_id"]
        rows[day(event)]["event_count"] += 1
        if event["event_name"] != "refund" and event["platform"] != "server":
            seen[player].add(day(event))
            streams[player, event.get("device_id")].append(event["at"])
    for times in streams.values():
        times.sort()
        start = last = times[0]
        for at in [*times[1:], None]:
            if at is not None and at - last <= gap_minutes * 60_000_000:
                last = at
                continue
            row = rows[(EPOCH + timedelta(microseconds=start)).date()]
            row["sessions"] += 1
            row["session_seconds"] += Decimal(last - start) / 1_000_000
            start = last = at
    add_money(events, rows)
    add_activity(run, seen, rows)
    return rows


def add_money(events: list[dict], rows: dict) -> None:
    transactions = set()
    bought = defaultdict(set)
    for event in sorted(events, key=lambda event: event["at"]):
        row, values = rows[day(event)], event.get("properties") or {}
        if event["event_name"] == "ad_impression":
            row["ad_revenue"] += Decimal(values["revenue_micros"]) / 1_000_000
        if event["event_name"] == "refund":
            row["refunds"] += Decimal(values["price_minor"]) / 100
        if event["event_name"] != "purchase" or values["transaction_id"] in transactions:
            continue
        transactions.add(values["transaction_id"])
        status = values.get("receipt_status", "unverified")
        if status == "invalid":
            continue
        player = event.get("player_id") or event["device_id"]
        amount = Decimal(values["price_minor"]) / 100
        row["purchases"] += 1
        row["gross"] += amount
        row["iap_revenue_unverified"] += amount if status == "unverified" else 0
        row["payers"] += day(event) not in bought[player]
        row["new_payers"] += not bought[player]
        bought[player].add(day(event))
    for row in rows.values():
        row["iap_revenue"] = row["gross"] - row["refunds"]
        row["revenue"] = row["iap_revenue"] + row["ad_revenue"]


def add_activity(run: Run, seen: dict, rows: dict) -> None:
    today = run.manifest.first_date
    while today <= run.manifest.through_date:
        row, yesterday = rows[today], today - timedelta(days=1)
        for days in seen.values():
            row["wau"] += any(today - timedelta(days=7) < other <= today for other in days)
            row["mau_30d"] += any(today - timedelta(days=30) < other <= today for other in days)
            row["mau_calendar"] += any(today.replace(day=1) <= other <= today for other in days)
            row["dormant_players"] += yesterday in days and today not in days
            if today in days:
                row["dau"] += 1
                row["new_players"] += min(days) == today
                row["returning_players"] += yesterday in days
                row["resurrected_players"] += min(days) < today and yesterday not in days
        today += timedelta(days=1)


def assert_truth_is_right(run: Run, gap_minutes: int) -> None:
    counted = brute_force(run, gap_minutes)
    assert set(counted) <= set(run.manifest.days)
    for today, row in run.manifest.days.items():
        for name, value in row.items():
            expected = counted[today]["session_seconds" if name == "playtime_seconds" else name]
            if name != "excluded_events":
                assert Decimal(value) == expected, (today, name)


@pytest.mark.parametrize("game_id", ["demo_puzzle", "demo_rpg"])
def test_history_truth_equals_an_independent_count_over_its_events(game_id: str):
    plan = tiny(game_id)
    assert_truth_is_right(history(plan, 7, FIRST, 40, FIRST + timedelta(days=45)), plan.session_gap_minutes)


@pytest.mark.parametrize("clock", ["00:05", "00:31", "12:00", "23:58"])
def test_live_truth_equals_an_independent_count_over_its_events(clock: str):
    plan = tiny()
    run = live(plan, "live-test", datetime.fromisoformat(f"2026-11-23T{clock}:00+00:00"))
    assert_truth_is_right(run, plan.session_gap_minutes)


@pytest.mark.parametrize("clock", ["00:00", "00:05", "00:20", "00:45", "12:00", "23:49", "23:58"])
def test_live_events_keep_clear_of_midnight_and_of_the_future(clock: str):
    now = datetime.fromisoformat(f"2026-11-23T{clock}:00+00:00")
    run = live(tiny(), "live-test", now)
    assert len(run.requests) > 50
    for event in accepted_events(run):
        when = EPOCH + timedelta(microseconds=event["at"])
        into_day = when - datetime(when.year, when.month, when.day, tzinfo=UTC)
        assert timedelta(minutes=10) <= into_day <= timedelta(days=1, minutes=-10)
        assert when < now


def test_live_sessions_stay_in_one_request_and_far_from_the_gap():
    plan = tiny(live_events=4_000)
    run = live(plan, "live-test", datetime(2026, 11, 23, 12, tzinfo=UTC))
    requests_of = defaultdict(set)
    times = defaultdict(list)
    for event in accepted_events(run):
        times[event.get("player_id") or event["device_id"]].append((event["at"], event["session_id"]))
    for request in run.requests:
        for raw in request.events:
            requests_of[json.loads(raw)["session_id"]].add(request.events)
    assert all(len(requests) == 1 for requests in requests_of.values())
    assert any(len({session for _, session in rows}) > 1 for rows in times.values())
    for rows in times.values():
        rows.sort()
        for (before, session), (after, next_session) in pairwise(rows):
            silence = timedelta(microseconds=after - before)
            assert silence <= timedelta(minutes=5) if session == next_session else silence >= timedelta(hours=3)


def test_a_session_that_touches_midnight_moves_before_it():
    day_us, minute = 86_400_000_000, 60_000_000
    noon = 20_000 * day_us + day_us // 2
    midnight = 20_000 * day_us
    assert clear_of_midnight(noon, 30 * minute) == noon
    assert clear_of_midnight(midnight - 10 * minute, 20 * minute) == midnight - 32 * minute
    assert clear_of_midnight(midnight + 5 * minute, minute) == midnight - 13 * minute
    assert clear_of_midnight(midnight + 12 * minute, minute) == midnight + 12 * minute
    assert clear_of_midnight(midnight - 14 * minute, 2 * minute) == midnight - 14 * minute


def test_the_same_arguments_give_the_same_bytes_and_another_seed_other_players():
    first, again = history(tiny(), 7, FIRST, 5), history(tiny(), 7, FIRST, 5)
    assert first == again
    other = history(tiny(), 8, FIRST, 5)
    assert first.manifest.fingerprint != other.manifest.fingerprint
    players = [{event.get("player_id") for event in accepted_events(run)} - {None} for run in (first, other)]
    assert not players[0] & players[1]
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert live(tiny(), "live-a", now) == live(tiny(), "live-a", now)


def test_every_event_sent_is_accounted_for_and_every_fault_is_planted():
    run = history(tiny(players=400), 7, FIRST, 30)
    totals = run.manifest.totals
    sent = [raw for request in run.requests for raw in request.events]
    good = [
        raw for request in run.requests for index, raw in enumerate(request.events) if index not in request.rejected
    ]
    ids = {json.loads(raw)["event_id"] for raw in good}
    assert totals.events_sent == len(sent) == totals.accepted + totals.rejected_count
    assert totals.accepted == len(good)
    assert totals.silver_events == len(ids) == len(accepted_events(run))
    assert totals.id_collisions == len(set(good)) - len(ids)
    assert totals.natural_copies == len(good) - len(set(good))
    assert totals.excluded_events == sum(event["environment"] == "development" for event in accepted_events(run))
    by_day = run.manifest.days.values()
    assert totals.silver_events == sum(row["event_count"] + row["excluded_events"] for row in by_day)
    assert len(totals.rejected) == 7
    assert min(totals.natural_copies, totals.id_collisions, totals.excluded_events) > 0


def test_history_holds_the_hard_cases():
    plan = tiny(players=900)
    events = accepted_events(history(plan, 7, FIRST, 30))
    sessions = defaultdict(list)
    for event in events:
        sessions[event.get("session_id")].append(event["at"])
    outside = sessions.pop(None)
    silences = {b - a for times in sessions.values() for a, b in pairwise(sorted(times))}
    purchases = [event["properties"] for event in events if event["event_name"] == "purchase"]
    assert plan.session_gap_us in silences
    assert max(silences) == plan.session_gap_us
    assert any(min(times) // 86_400_000_000 < max(times) // 86_400_000_000 for times in sessions.values())
    assert {values.get("receipt_status") for values in purchases} == {"valid", "unverified", "invalid", None}
    assert len({values["transaction_id"] for values in purchases}) < len(purchases)
    assert {event["event_name"] for event in events if "session_id" not in event} == {"refund", "economy_source"}
    assert outside
    assert any("player_id" not in event for event in events)
    assert any("device_id" not in event for event in events)
    assert any(event["created_ts"].endswith("+02:00") for event in events)
    assert {day(event) for event in events} == {FIRST + timedelta(days=number) for number in range(30)}


def test_history_ends_with_its_last_day():
    for seed in range(5):
        events = accepted_events(history(tiny(players=300), seed, FIRST, 3))
        assert max(map(day, events)) == FIRST + timedelta(days=2)


def test_copies_arrive_in_a_later_request():
    run = history(tiny(players=600), 7, FIRST, 30)
    where = defaultdict(list)
    for number, request in enumerate(run.requests):
        assert len(request.events) <= 1_000
        assert sum(map(len, request.events)) < 2_000_000
        for raw in request.events:
            where[raw].append(number)
    copies = [numbers for numbers in where.values() if len(numbers) > 1]
    early = [numbers for numbers in copies if numbers[0] < len(run.requests) - 2]
    assert len(early) > 100
    assert all(numbers[1] > numbers[0] for numbers in early)


def test_activity_of_one_player_by_hand():
    # Active on day 0, 1 and 3 of a month's 30th, 31st, 1st, 2nd.
    rows = daily_rows(date(2026, 10, 30), date(2026, 11, 3), {}, [0b1011])
    kinds = [
        [name for name in ("new", "returning", "resurrected", "dormant") if row[f"{name}_players"]]
        for row in rows.values()
    ]
    assert kinds == [["new"], ["returning"], ["dormant"], ["resurrected"], ["dormant"]]
    assert [row["dau"] for row in rows.values()] == [1, 1, 0, 1, 0]
    assert [row["mau_calendar"] for row in rows.values()] == [1, 1, 0, 1, 1]


def test_a_player_leaves_wau_after_seven_and_mau_after_thirty_days():
    rows = list(daily_rows(FIRST, FIRST + timedelta(days=31), {}, [1]).values())
    assert [row["wau"] for row in rows] == [1] * 7 + [0] * 25
    assert [row["mau_30d"] for row in rows] == [1] * 30 + [0] * 2


def test_expected_kpis_add_up_runs_and_go_on_after_the_last_event(tmp_path):
    home = settings(tmp_path)
    first = history(tiny(), 7, FIRST, 5).manifest
    later = live(tiny(), "live-a", datetime(2026, 11, 5, 12, tzinfo=UTC)).manifest
    write_manifest(home, first)
    write_manifest(home, later)
    through = date(2026, 11, 12)
    expected = expected_kpis(home, through=through)
    assert [today for _, today in expected] == [FIRST + timedelta(days=number) for number in range(20)]
    everyone = sum(bitmap > 0 for run in (first, later) for bitmap in run.players_activity())
    assert expected["demo_rpg", through]["mau_30d"] == everyone
    assert expected["demo_rpg", through]["dau"] == 0
    today = date(2026, 11, 5)
    assert expected["demo_rpg", today]["revenue"] == Decimal(later.days[today]["revenue"])
    assert expected["demo_rpg", today]["wau"] == later.days[today]["wau"]
    assert days_through(first, first.through_date) == first.days


def test_days_before_a_games_first_event_are_not_expected(tmp_path):
    home = settings(tmp_path)
    run = live(tiny(live_events=30), "live-a", datetime(2026, 11, 5, 12, tzinfo=UTC))
    write_manifest(home, run.manifest)
    first = min(day(event) for event in accepted_events(run) if event["environment"] == "production")
    assert run.manifest.first_date < first == min(today for _, today in expected_kpis(home))


def test_nothing_planted_means_nothing_expected(tmp_path):
    assert expected_kpis(settings(tmp_path)) == {}
