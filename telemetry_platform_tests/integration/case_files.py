"""The files of `shared/cases` for one run of the whole path: which game each goes to, on which day of the run."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from telemetry_platform_tests.shared_inputs import SHARED

# File, game, and the file's day with the day of the run it is moved to, so that all are materialized at once.
CASES = (
    ("zst_whole.jsonl.zst", "case_zst_whole", None),
    ("zst_frames.jsonl.zst", "case_zst_frames", None),
    ("zst_cut.jsonl.zst", "case_zst_cut", None),
    ("byte_order_mark.jsonl", "case_bom", None),
    ("decimal_integers.parquet", "case_decimals", None),
    ("far_timestamp.parquet", "case_far", None),
    ("server_event_last.jsonl", "case_server", None),
    ("clan_tags.jsonl", "case_tags", None),
    ("separator_in_ids.jsonl", "case_separator", (b"2023-05-10", b"2023-02-10")),
    ("huge_purchases.jsonl", "case_huge", (b"2023-07-10", b"2023-02-03")),
    ("numeric_game_id.jsonl", "2048", (b"2023-09-10", b"2023-02-12")),
)

Outcomes = dict[str, tuple[int, dict]]


def import_cases(run: Callable[..., subprocess.CompletedProcess[str]], folder: Path) -> Outcomes:
    """Register each case's game and import its file; exit status and counts by file, {} where there are no cases."""
    outcomes: Outcomes = {}
    for name, game, moved in CASES if (SHARED / "cases").exists() else ():
        content = (SHARED / "cases" / name).read_bytes()
        file = folder / name
        file.write_bytes(content.replace(*moved) if moved else content)
        assert run("games", "add", game).returncode == 0
        done = run("import", str(file), "--game", game, "--json")
        outcomes[name] = done.returncode, json.loads(done.stdout)
    return outcomes
