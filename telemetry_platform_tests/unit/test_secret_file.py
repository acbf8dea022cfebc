"""Secrets that are made once, and never there in part."""

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry_platform.errors import SecretFileError
from telemetry_platform.games.secret_file import SECRET_BYTES, secret_of


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "g.key"
    first = secret_of(path)
    assert (len(first), secret_of(path)) == (SECRET_BYTES, first)
    assert first != secret_of(path.with_name("h.key"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["g.key", "h.key"], "nothing is left beside it"


def test_a_secret_from_a_backup_is_the_same_whatever_case_and_line_end_it_has(tmp_path: Path):
    path = tmp_path / "g.key"
    path.write_text("AB" * 32 + "\n")
    assert secret_of(path) == b"\xab" * 32


@pytest.mark.parametrize(
    "content", ["", "\n", "ab" * 31, "ab" * 33, "zz" * 32, "ab " * 32, '{"key": 1}', "\0" * 64, "é" * 32]
)
def test_a_file_that_holds_no_whole_secret_is_refused_with_what_to_do_and_left_as_it_is(tmp_path: Path, content: str):
    path = tmp_path / "g.key"
    path.write_text(content)
    with pytest.raises(SecretFileError, match=r"g\.key .* restore it from a backup.* remove it"):
        secret_of(path)
    assert path.read_text() == content


def test_a_secret_that_cannot_be_read_is_refused(tmp_path: Path):
    (tmp_path / "g.key").mkdir()
    with pytest.raises(SecretFileError, match="neither read nor made"):
        secret_of(tmp_path / "g.key")


def test_a_disk_that_takes_nothing_leaves_no_secret_behind(tmp_path: Path):
    path = tmp_path / "g.key"
    child = os.fork()
    if child == 0:
        # A file of this process can have no byte: what a full disk does, for this process alone.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        os._exit(_exit_code_of(path))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert list(tmp_path.iterdir()) == []
    assert len(secret_of(path)) == SECRET_BYTES


def _exit_code_of(path: Path) -> int:
    try:
        secret_of(path)
    except SecretFileError:
        return 7
    return 1


def test_processes_that_make_it_at_one_moment_have_the_same(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from telemetry_platform.games.secret_file import secret_of; "
        "sys.stdin.read(); print(secret_of(Path(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "g.key")]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    printed = {racer.stdout.read() for racer in racers if racer.stdout is not None}
    assert [racer.wait() for racer in racers] == [0] * 6
    assert len(printed) == 1
