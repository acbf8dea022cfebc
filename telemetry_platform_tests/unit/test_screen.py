"""What a command writes: text as it is, JSON alone on standard output, a quiet end."""

import json
import subprocess
import sys
from io import StringIO

import pytest
from rich.progress import Progress
from rich.table import Table

from telemetry_platform.cli.console import Description, Screen, printable, to_json
from telemetry_platform.settings import PROJECT_ROOT

NOISY = """
import os, subprocess, sys
from telemetry_platform.cli.commands import Commands, Group
from telemetry_platform.cli.console import console, print_json
app = Commands(cls=Group, pretty_exceptions_enable=False)

@app.command()
def noisy():
    print("a library's print")
    os.write(1, b"OpenJDK 64-Bit Server VM warning: CodeCache is full.\\n")
    subprocess.run(["echo", "a child's line"], check=True)
    print_json({"is_alone": True})
    os.write(1, b"later\\n")

@app.command()
def endless():
    while True:
        console.print("line")

app()
"""


def run(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NOISY, *arguments],
        cwd=PROJECT_ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal with colours, 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen = Screen()
    screen._file = StringIO()
    return screen


def shown(screen: Screen) -> str:
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue()


def test_json_is_alone_on_standard_output_whoever_else_writes_to_it():
    done = run("noisy")
    assert done.returncode == 0, done.stderr
    assert done.stdout == '{"is_alone":true}\n'
    for line in ("a library's print", "CodeCache is full.", "a child's line", "later"):
        assert line in done.stderr


def test_help_is_on_standard_output():
    assert "endless" in run("--help").stdout
    assert "Usage" in run("noisy", "--help").stdout


def test_a_command_whose_reader_has_gone_ends_without_a_word():
    with subprocess.Popen(
        [sys.executable, "-c", NOISY, "endless"], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as endless:
        assert endless.stdout is not None
        assert endless.stdout.readline() == b"line\n"
        endless.stdout.close()
        assert endless.wait(60) == 141
        assert endless.stderr is not None
        assert endless.stderr.read() == b""


@pytest.mark.parametrize(
    "text",
    [
        "[tw]Bob",
        "[/b]Eve",
        "[bold red]Mia[/]",
        ":smile:",
        "http://a/1 'x' 12 None",
        "\U0001f468\u200d\U0001f469",
        "na\u00efve\u00a0x",
    ],
)
def test_text_is_shown_as_it_is_in_lines_cells_and_titles(screen: Screen, text: str):
    screen.print(text)
    assert shown(screen) == f"{text}\n"
    screen.print(Table(text, title=text))
    table = Table("player")
    table.add_row(text)
    screen.print(table)
    assert shown(screen).count(text) == 4


def test_a_progress_bars_description_is_shown_as_it_is(screen: Screen):
    with Progress(Description(), console=screen) as bar:
        bar.add_task("import [red]new[/] :smile:.jsonl\x1b[31m", total=1)
    assert "import [red]new[/] :smile:.jsonl·[31m" in shown(screen)


@pytest.mark.parametrize("character", ["\x1b", "\r", "\x07", "\x08", "\x7f", "\x9b", "\u202e", "\u2028", "\ud800"])
def test_what_steers_a_terminal_becomes_a_dot(screen: Screen, character: str):
    screen.print(f"a{character}b")
    table = Table("player")
    table.add_row(f"a{character}b")
    screen.print(table)
    assert shown(screen).count("a·b") == 2
    assert printable(f"a{character}b") == "a·b"


def test_json_keeps_what_a_terminal_is_spared_and_every_digit_of_a_number():
    digits = 12345678901234567890
    assert json.loads(to_json({"name": "\x1b[31m[b]", "n": digits, "x": float("inf")})) == {
        "name": "\x1b[31m[b]",
        "n": digits,
        "x": None,
    }
