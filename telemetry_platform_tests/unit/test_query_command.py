"""`telemetry lake` and `telemetry sql` as a user calls them: rows as they are, on any width, in any number."""

import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fcntl import ioctl
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from telemetry_platform.cli.query import Result, ask_lake
from telemetry_platform.cli.rows import json_lines, text_lines
from telemetry_platform.settings import PROJECT_ROOT, read_settings

PROGRAM = [sys.executable, "-c", "from telemetry_platform.cli.main import app; app()"]
NAMES = ["[tw]Bob", "[/b]Eve", "[bold red]Mia[/]", ":smile:"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose lake has silver.events of four players."""
    home = tmp_path_factory.mktemp("home")
    write_deltalake(f"{home}/lake/silver/events", pa.table({"player_id": NAMES, "level": [1, 2, 3, 4]}))
    return home


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "TELEMETRY_HOME": str(home)}


def lake(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "lake", *arguments],
        cwd=PROJECT_ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )


def on_terminal(home: Path, width: int, *arguments: str) -> str:
    """What a terminal of `width` columns is sent."""
    terminal, program_side = pty.openpty()
    ioctl(program_side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    variables = {**environment(home), "TERM": "xterm"}
    variables.pop("COLUMNS", None)
    with subprocess.Popen(
        [*PROGRAM, "lake", *arguments],
        cwd=PROJECT_ROOT,
        env=variables,
        stdin=program_side,
        stdout=program_side,
        stderr=program_side,
    ):
        os.close(program_side)
        sent = bytearray()
        try:
            while part := os.read(terminal, 65536):
                sent += part
        except OSError:
            # Linux reports the end of the other side so.
            pass
        finally:
            os.close(terminal)
    return sent.decode().replace("\r\n", "\n")


def test_players_are_shown_as_they_are_called(home: Path):
    done = lake(home, "select player_id from silver.events order by level")
    assert done.returncode == 0, done.stderr
    assert [line.strip("│ ") for line in done.stdout.splitlines()[3:7]] == NAMES


def test_a_refused_statement_is_quoted_as_it_is(home: Path):
    done = lake(home, "select '[bold]x[/]'::int")
    assert done.returncode == 1
    assert "'[bold]x[/]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_rows_that_do_not_fit_stand_upright_with_whole_names_and_values(home: Path):
    statement = "select player_id, repeat('x', 50) as first_of_the_long_ones, level as the_level from silver.events"
    sent = on_terminal(home, 60, f"{statement} order by level limit 2")
    assert [line for line in sent.splitlines() if not line.startswith("─")] == [
        "player_id              │ [tw]Bob",
        f"first_of_the_long_ones │ {'x' * 50}",
        "the_level              │ 1",
        "player_id              │ [/b]Eve",
        f"first_of_the_long_ones │ {'x' * 50}",
        "the_level              │ 2",
    ]


def test_a_terminal_is_shown_the_first_thousand_rows_and_told_of_the_rest(home: Path):
    sent = on_terminal(home, 80, "select * from range(10000)").splitlines()
    assert len([line for line in sent if line.startswith("│")]) == 1000
    assert sent[-1] == "1,000 rows shown, 9,000 more: --limit 0 shows all."
    everything = on_terminal(home, 80, "--limit", "0", "select * from range(10000)").splitlines()
    assert len([line for line in everything if line.startswith("│")]) == 10_000


def test_a_pipe_is_given_all_rows_or_as_many_as_asked_for(home: Path):
    assert len(lake(home, "select * from range(10000)").stdout.splitlines()) == 10_004
    some = lake(home, "--limit", "2", "--json", "select * from range(10000)")
    assert json.loads(some.stdout) == [{"range": 0}, {"range": 1}]
    assert some.stderr == "2 rows shown, 9,998 more: --limit 0 shows all.\n"
    assert lake(home, "--limit", "2", "select * from range(2)").stderr == ""


@pytest.mark.parametrize("statement", ["create table t (a int)", "set threads = 1", "", "/* nothing */"])
def test_a_statement_without_rows_is_no_failure(home: Path, statement: str):
    assert lake(home, statement).returncode == 0
    assert json.loads(lake(home, "--json", statement).stdout) == []


def test_ctrl_c_ends_a_query_that_computes(home: Path):
    endless = "select count(*) from range(1000000000000) numbers (i) where hash(i) = 3"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # From outside, as a terminal does.
        with (
            subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -INT {os.getpid()}"]),
            pytest.raises(KeyboardInterrupt),
        ):
            ask_lake(read_settings({"TELEMETRY_HOME": str(home)}), endless)
    finally:
        signal.signal(signal.SIGINT, before)


def test_output_that_cannot_be_written_is_said_in_one_line(home: Path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "lake", "select 1"],
            cwd=PROJECT_ROOT,
            env=environment(home),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "TelemetryError: The output could not be written: No space left on device.\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("'nan'::double", "null"),
        ("['inf'::double, 1.5::double]", "[null,1.5]"),
        ("{'k': '-inf'::float}", '{"k":null}'),
        (
            "123456789012345678901234567890.12345678::decimal(38, 8)",
            "123456789012345678901234567890.12345678",
        ),
        ("170141183460469231731687303715884105727::hugeint", "170141183460469231731687303715884105727"),
        ("interval '90 minutes'", '"PT5400S"'),
        ("'\\xAA'::blob", '"aa"'),
        ("map {date '2026-11-01': 1.10::decimal(9, 2)}", '{"2026-11-01":1.10}'),
        ("'0b5e7f5e-0000-4000-8000-000000000001'::uuid", '"0b5e7f5e-0000-4000-8000-000000000001"'),
        ("timestamptz '2026-11-01 10:00:00'", '"2026-11-01T10:00:00+00:00"'),
        ("date '2026-11-01'", '"2026-11-01"'),
        ("'290000-01-01'::timestamp", '"290000-01-01 00:00:00"'),
        ("chr(27) || 'é'", '"\\u001bé"'),
        ("null", "null"),
    ],
)
def test_json_has_every_value(home: Path, value: str, expected: str):
    columns, rows = ask_lake(read_settings({"TELEMETRY_HOME": str(home)}), f"select {value} as v")
    assert list(json_lines(columns, rows)) == [f'{{"v":{expected}}}']


def test_json_has_every_column_of_a_name():
    (line,) = json_lines(["a", "a", "a_2", "a"], [(1, 2, 3, 4)])
    assert json.loads(line) == {"a": 1, "a_3": 2, "a_2": 3, "a_4": 4}


def test_json_has_what_python_has():
    row: tuple[Any, ...] = (
        Decimal("NaN"),
        timedelta(days=1),
        UUID(int=1),
        (1, b"\x01"),
        {2: {date(2026, 1, 1)}},
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    (line,) = json_lines(list("abcdef"), [row])
    assert json.loads(line) == {
        "a": None,
        "b": "P1D",
        "c": str(UUID(int=1)),
        "d": [1, "01"],
        "e": {"2": ["2026-01-01"]},
        "f": "2026-01-01T00:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (
            15,
            [
                "┏━━━━━┳━━━━━┓",
                "┃ a   ┃ b   ┃",
                "┡━━━━━╇━━━━━┩",
                "│ 123 │     │",
                "│ 日  │ x·y │",
                "│     │ z   │",
                "└─────┴─────┘",
            ],
        ),
        (7, ["a  │b  ", "───┼───", "123│   ", "日 │x·y", "   │z  "]),
        (6, ["─ row 1 ─", "a │ 123", "b │ ", "─ row 2 ─", "a │ 日", "b │ x·y", "  │ z"]),
    ],
)
def test_a_table_loses_its_borders_before_it_is_turned_upright(width: int, expected: list[str]):
    assert list(text_lines(["a", "b"], [(123, None), ("日", "x\x1by\nz")], width)) == expected


def test_columns_without_rows_are_named():
    assert list(text_lines(["first_column", "second_column"], [], 20)) == ["first_column", "second_column"]
    assert list(text_lines(["a"], [], 20)) == ["┏━━━┓", "┃ a ┃", "┡━━━┩", "└───┘"]


def test_no_more_rows_are_held_than_are_shown():
    asked: list[int] = []
    served = iter(range(100_000))

    def fetch(count: int) -> list[tuple[int]]:
        asked.append(count)
        return [(number,) for number, _ in zip(served, range(count), strict=False)]

    assert len(Result(["n"], fetch).rows(1000)) == 1000
    assert sum(asked) == 1000
