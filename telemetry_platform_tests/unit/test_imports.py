"""`telemetry import`: reading files, batches, resuming, and the verdict without a server."""

import gzip
import json
import signal
import socket
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
import zstandard
from typer.testing import CliRunner

from telemetry_platform.cli import imports
from telemetry_platform.cli.catching_up import bronze_lag
from telemetry_platform.cli.import_progress import Progress, Summary
from telemetry_platform.cli.import_reading import is_object, read_events
from telemetry_platform.cli.imports import LARGEST_EVENT, batches, send_file
from telemetry_platform.errors import CollectorError, ContractError, TelemetryError
from telemetry_platform.settings import PROJECT_ROOT, Settings, read_settings
from telemetry_platform_tests.unit.test_client import Served, serve, server

__all__ = ["server"]

REFUSED = (401, {"error_type": "unknown_key", "error_message": "The key is unknown."}, {})


def event(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid.UUID(int=number)),
        "event_name": "heartbeat",
        "event_version": 1,
        "created_ts": "2024-03-10T12:00:00Z",
        "player_id": "p-1",
    } | changes


def write_lines(file: Path, *lines: Any) -> Path:
    file.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return file


def ids(*numbers: int) -> list[str]:
    return [str(uuid.UUID(int=number)) for number in numbers]


@pytest.fixture
def home(server: Served, tmp_path: Path) -> Settings:
    return read_settings({"TELEMETRY_HOME": str(tmp_path / "home"), "TELEMETRY_COLLECTOR_PORT": port_of(server)})


def port_of(server: Served) -> str:
    return server.url.rpartition(":")[2]


def command_line(home: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setattr(imports, "current_settings", lambda: home)
    app = typer.Typer()
    app.command()(imports.import_events)
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("after", [0, 2, 3, 9])
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"])
def test_every_kind_of_file_gives_the_same_events_from_any_place(tmp_path: Path, suffix: str, after: int):
    rows = [event(number, properties={"level": "L1"}) for number in range(4)]
    text = b"\n\n".join(json.dumps(row).encode() for row in rows)
    file = tmp_path / f"events{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif suffix.endswith(".zst"):
        # Two frames, as two files put together have them.
        compress = zstandard.ZstdCompressor().compress
        file.write_bytes(compress(text[:50]) + compress(text[50:]))
    else:
        file.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    with file.open("rb") as source:
        assert [json.loads(one) for one in read_events(file, source, after=after)] == rows[after:]


def test_parquet_columns_that_are_absent_times_or_json_text_become_what_an_event_has(tmp_path: Path):
    created = datetime(2024, 3, 10, 12, tzinfo=UTC)
    row = event(created_ts=created, device_id=None, properties='{"level":  "L1"}')
    pq.write_table(pa.Table.from_pylist([row, event(1, created_ts=created, device_id="d")]), tmp_path / "e.parquet")
    with (tmp_path / "e.parquet").open("rb") as source:
        first, second = read_events(tmp_path / "e.parquet", source)
    assert json.loads(first) == event(created_ts="2024-03-10T12:00:00+00:00", properties={"level": "L1"})
    assert json.loads(second)["device_id"] == "d"


@pytest.mark.parametrize("name", ["cut.jsonl.gz", "cut.jsonl.zst", "no.parquet"])
def test_a_file_that_cannot_be_read_to_its_end_is_named(tmp_path: Path, name: str):
    text = json.dumps(event()).encode() * 500
    whole = zstandard.ZstdCompressor().compress(text) if name.endswith(".zst") else gzip.compress(text)
    (tmp_path / name).write_bytes(b"PAR1" + whole if name.endswith(".parquet") else whole[:-20])
    with (tmp_path / name).open("rb") as source, pytest.raises(TelemetryError, match=r"cannot be read|not Parquet"):
        list(read_events(tmp_path / name, source))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a":1}', True),
        (b'{"a":NaN}', True),
        (b'{"a":"\\ud800"}', True),
        (b'{"a":"\xff"}', True),
        (b"7", False),
        (b'{"a":1', False),
        (b'{"a":1}{', False),
        (b'{"a":' + b"[" * 100_000, False),
    ],
)
def test_what_is_no_object_is_told_from_what_the_collector_keeps_as_a_reject(line: bytes, expected: bool):
    assert is_object(line) == expected


def test_what_no_request_could_carry_is_kept_apart_with_its_number():
    large = b'{"a":"' + b"x" * LARGEST_EVENT + b'"}'
    (batch,) = batches(iter([b'{"a":1}', large, b"7", b'{"a":2}']))
    assert batch.events == [(1, b'{"a":1}'), (4, b'{"a":2}')]
    assert [(number, error_type) for number, error_type, _ in batch.unsendable] == [
        (2, "event_too_large"),
        (3, "unreadable_event"),
    ]
    assert batch.end == 4


def test_batches_follow_count_and_bytes_and_lose_no_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imports, "BATCH_EVENTS", 3)
    monkeypatch.setattr(imports, "BATCH_BYTES", 100)
    small, wide = b'{"a":1}', b'{"a":"' + b"x" * 90 + b'"}'
    found = list(batches(iter([small, b"7", small, small, small, wide, wide]), start=11))
    assert [[number for number, _ in batch.events] for batch in found] == [[11, 13, 14], [15], [16], [17]]
    assert [batch.end for batch in found] == [14, 15, 16, 17]


def test_an_interrupted_import_goes_on_where_it_stopped_and_counts_the_whole_file(
    server: Served, home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setattr(imports, "BATCH_EVENTS", 2)
    file = write_lines(tmp_path / "e.jsonl", event(1), b"7", event(2), event(3), event(4), event(5))
    rejected = {"index": 0, "error_type": "schema_violation", "error_message": "no"}
    server.script = [(202, {"accepted": 1, "rejected": [rejected]}, {}), REFUSED]
    with pytest.raises(CollectorError, match=r"unknown_key.*The same command goes on after event 3\."):
        send_file(home, file, "g", "k")
    moved = file.rename(tmp_path / "moved.jsonl")
    summary = send_file(home, moved, "g", "k")
    assert server.event_ids() == ids(1, 2, 3, 4, 3, 4, 5)
    assert (summary.read, summary.accepted) == (6, 4)
    assert summary.rejected == {"unreadable_event": 1, "schema_violation": 1}
    assert summary.first_messages["schema_violation"] == "event 1: no"
    assert "Going on after event 3" in capsys.readouterr().err


def test_a_complete_import_is_forgotten_so_that_the_next_one_sends_everything_again(
    server: Served, home: Settings, tmp_path: Path
):
    file = write_lines(tmp_path / "e.jsonl", event(1), event(2))
    assert send_file(home, file, "g", "k") == send_file(home, file, "g", "k")
    assert server.event_ids() == ids(1, 2, 1, 2)
    assert list((home.home / "imports").iterdir()) == []


def test_restart_another_game_and_another_content_begin_anew(server: Served, home: Settings, tmp_path: Path):
    file = write_lines(tmp_path / "e.jsonl", event(1), event(2))
    Progress(home, file, "g").save(Summary(str(file), "g", read=1, accepted=1))
    send_file(home, file, "g", "k", is_anew=True)
    Progress(home, file, "g").save(Summary(str(file), "g", read=1, accepted=1))
    send_file(home, file, "other", "k")
    send_file(home, write_lines(file, event(1), event(2), event(3)), "g", "k")
    assert server.event_ids() == ids(1, 2, 1, 2, 1, 2, 3)


def test_a_record_that_cannot_be_read_is_none(server: Served, home: Settings, tmp_path: Path):
    file = write_lines(tmp_path / "e.jsonl", event(1))
    Progress(home, file, "g").save(Summary(str(file), "g", read=1))
    (record,) = (home.home / "imports").iterdir()
    record.write_text("")
    assert send_file(home, file, "g", "k").accepted == 1


def test_ctrl_c_leaves_the_import_to_be_gone_on_with(tmp_path: Path):
    file = write_lines(tmp_path / "e.jsonl", *(event(number) for number in range(2500)))
    with serve() as server:
        environment = {"TELEMETRY_HOME": str(tmp_path / "home"), "TELEMETRY_COLLECTOR_PORT": port_of(server)}
        command = [sys.executable, "-c", "from telemetry_platform.cli.main import app; app()", "import", str(file)]
        command += ["--game", "g", "--key", "k", "--json"]
        server.script = [
            (202, {"accepted": 1000, "rejected": []}, {}),
            (503, {}, {"Retry-After": "30"}),
        ]
        importing = subprocess.Popen(
            command,
            env=environment,
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs the suite in the background has told its children to ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while len(server.bodies) < 2:
            assert importing.poll() is None
        importing.send_signal(signal.SIGINT)
        _, told = importing.communicate(timeout=60)
        assert importing.returncode == 130
        assert "Interrupted after event 1000. The same command goes on there." in told
        again = subprocess.run(command, env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
        summary = json.loads(again.stdout)
        assert (summary["read"], summary["accepted"]) == (2500, 2500)
        assert server.event_ids()[2000:] == ids(*range(1000, 2500))


def test_a_dry_run_decides_as_the_import_endpoint_and_sends_nothing(
    server: Served, home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    schema = home.games_dir / "own" / "boss_beaten" / "1.json"
    schema.parent.mkdir(parents=True)
    schema.write_text('{"properties": {"boss": {"type": "string"}}, "required": ["boss"]}')
    (home.games_dir / "g.yaml").write_text("name: G\nevents: own\n")
    file = write_lines(
        tmp_path / "e.jsonl",
        event(1),
        event(2, created_ts="2020-01-01T00:00:00Z"),
        event(3, created_ts="2199-01-01T00:00:00Z"),
        event(4, event_name="boss_beaten", properties={"boss": 7}),
        event(5, event_name="boss_beaten", properties={"boss": "Ursa"}),
        b'{"a":NaN}',
        b"7",
    )
    result = command_line(home, monkeypatch, str(file), "--game", "g", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["first_date"], summary["last_date"], summary["error"]) == ("2024-03-10", "2024-03-10", None)
    assert (summary["read"], summary["accepted"]) == (7, 2)
    assert summary["rejected"] == {
        "before_start_date": 1,
        "created_in_future": 1,
        "schema_violation": 1,
        "number_not_finite": 1,
        "unreadable_event": 1,
    }
    assert summary["first_messages"]["schema_violation"].startswith("event 4: /properties/boss: ")
    assert server.bodies == []
    assert not (home.home / "imports").exists()


def test_a_dry_run_without_a_good_event_fails_and_says_why(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = write_lines(tmp_path / "e.jsonl", event(1, event_name="unknown"))
    result = command_line(home, monkeypatch, str(file), "--game", "g", "--dry-run")
    assert result.exit_code == 1
    assert "1 events read, 0 would be accepted, 1 rejected." in result.stdout
    assert "unknown_event: 1, first event 1: " in result.stdout
    assert "g is not registered here" in result.stderr


def test_a_dry_run_with_a_broken_schema_names_it(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (home.games_dir / "own" / "boss_beaten").mkdir(parents=True)
    (home.games_dir / "own" / "boss_beaten" / "1.json").write_text("{")
    (home.games_dir / "g.yaml").write_text("name: G\nevents: own\n")
    file = write_lines(tmp_path / "e.jsonl", event(1))
    result = command_line(home, monkeypatch, str(file), "--game", "g", "--dry-run")
    assert isinstance(result.exception, ContractError)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_what_came_before_the_cut_is_sent_and_counted_and_the_command_goes_on_there(
    pack: Any, server: Served, home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lines = [json.dumps(event(number, session_id=uuid.uuid4().hex)).encode() for number in range(20_000)]
    whole = pack(b"\n".join(lines))
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    result = command_line(home, monkeypatch, str(tmp_path / "cut"), "--game", "g", "--key", "k" * 30, "--json")
    summary = json.loads(result.stdout)
    assert (result.exit_code, summary["first_date"]) == (1, "2024-03-10")
    assert "cannot be read to its end" in summary["error"]
    assert summary["read"] == summary["accepted"] >= 1000
    (record,) = (home.home / "imports").iterdir()
    assert json.loads(record.read_text())["read"] == summary["read"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_what_is_good_in_a_file_that_ends_early_is_sent_and_counted_before_it_fails(
    server: Served, home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Any
):
    monkeypatch.setattr(imports, "BATCH_EVENTS", 2)
    lines = [json.dumps(event(number, created_ts=f"2024-03-1{number}T00:30:00+01:00")) for number in range(3)]
    whole = pack("\n".join(lines).encode()) + pack(b"\n{")
    (tmp_path / "cut.jsonl").write_bytes(whole[:-3])
    for _ in range(2):
        result = command_line(home, monkeypatch, str(tmp_path / "cut.jsonl"), "--game", "g", "--key", "k", "--json")
        assert result.exit_code == 1
        counts = json.loads(result.stdout)
        assert (counts["read"], counts["accepted"], counts["rejected"]) == (3, 3, {})
        assert (counts["first_date"], counts["last_date"]) == ("2024-03-09", "2024-03-11")
        assert "cut.jsonl cannot be read to its end: it ends early" in counts["error"]
        # The record stays: the second time nothing is left to send, and the counts are those of the whole file.
        assert server.event_ids() == ids(0, 1, 2)
        assert len(list((home.home / "imports").iterdir())) == 1
    dry = command_line(home, monkeypatch, str(tmp_path / "cut.jsonl"), "--game", "g", "--dry-run")
    assert dry.exit_code == 1
    assert "3 events read, 3 would be accepted, 0 rejected." in dry.stdout


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz", "e.jsonl.zst", "e.parquet"])
def test_an_empty_file_is_imported_with_nothing_to_do(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    (tmp_path / name).touch()
    result = command_line(home, monkeypatch, str(tmp_path / name), "--game", "g", "--key", "k")
    assert result.exit_code == 0, result.output
    assert "0 events read, 0 accepted, 0 rejected." in result.stdout


def test_days_are_those_of_accepted_events_and_survive_an_interruption(
    server: Served, home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(imports, "BATCH_EVENTS", 2)
    days = ["2024-03-01", "2024-03-05", "2024-03-04", "2024-03-03"]
    file = write_lines(tmp_path / "e.jsonl", *(event(n, created_ts=f"{day}T12:00:00Z") for n, day in enumerate(days)))
    rejected = {"index": 0, "error_type": "schema_violation", "error_message": "no"}
    server.script = [(202, {"accepted": 1, "rejected": [rejected]}, {}), REFUSED]
    with pytest.raises(CollectorError):
        send_file(home, file, "g", "k")
    summary = send_file(home, file, "g", "k")
    assert (str(summary.first_date), str(summary.last_date)) == ("2024-03-03", "2024-03-05")


def test_an_import_ends_with_how_far_bronze_is_and_how_to_materialize_its_days(
    server: Served, home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = replace(home, kafka=f"127.0.0.1:{closed_port()}")
    file = write_lines(tmp_path / "e.jsonl", event(1), event(2, created_ts="2024-03-11T23:30:00-02:00"))
    result = command_line(settings, monkeypatch, str(file), "--game", "g", "--key", "k", "--wait")
    assert result.exit_code == 0, result.output
    assert "telemetry materialize --from 2024-03-10 --to 2024-03-12" in result.stdout
    assert "How far bronze has come cannot be asked from here." in result.stdout
    assert "Not waiting for bronze" in result.stderr
    result = command_line(settings, monkeypatch, str(file), "--game", "g", "--key", "k", "--json")
    counts = json.loads(result.stdout)
    assert (counts["first_date"], counts["last_date"]) == ("2024-03-10", "2024-03-12")
    assert (counts["bronze_lag_records"], counts["error"]) == (None, None)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.mark.parametrize("host", ["collector.example.com", "10.1.2.3", "::2"])
def test_a_remote_collectors_kafka_is_not_taken_for_the_one_of_this_machine(home: Settings, host: str):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kafka = f"127.0.0.1:{listening.getsockname()[1]}"
        assert bronze_lag(replace(home, collector_host=host, kafka=kafka)) is None
