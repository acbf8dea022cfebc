"""The linter refuses what the project's rules forbid, in the folders where they hold."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from telemetry_platform.settings import PROJECT_ROOT

RUFF = Path(sys.executable).with_name("ruff")
ENVIRONMENT = ("import os\n\nhome = os.environ['HOME']\n", "import os\n\nhome = os.getenv('HOME')\n")
SESSION = "from pyspark.sql import SparkSession\n\nspark = SparkSession.builder.getOrCreate()\n"
DAGSTER = "import dagster as dg\n\nkey = dg.AssetKey\n"
MOCK = "from unittest import mock\n\nfake = mock.Mock()\n"
PRINT = "print(1)\n"
ANY_EXCEPTION = "try:\n    import this\nexcept Exception:\n    this = None\n"


def rules_broken(place: str, source: str) -> set[str]:
    """Codes of the rules that `source` would break as file `place`."""
    command = [RUFF, "check", "--no-cache", "--output-format", "json", "--stdin-filename", place, "-"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, input=source, capture_output=True, text=True, check=False)
    return {found["code"] for found in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("place", "source", "rule"),
    [
        *(
            (f"{folder}/new.py", source, "TID251")
            for folder in (
                "telemetry_platform/cli",
                "telemetry_platform/defs/gold",
                "telemetry_platform/lake",
                "telemetry_platform/simulator",
                "streaming",
                "benchmarks",
            )
            for source in (*ENVIRONMENT, SESSION, MOCK)
        ),
        *(
            (f"{folder}/new.py", DAGSTER, "TID251")
            for folder in (
                "telemetry_platform/lake",
                "telemetry_platform/transforms/gold",
                "telemetry_platform/simulator",
                "streaming",
            )
        ),
        ("telemetry_platform_tests/unit/test_new.py", MOCK, "TID251"),
        ("telemetry_platform_tests/unit/test_new.py", "from unittest.mock import patch\n", "TID251"),
        ("streaming/new.py", "from telemetry_platform.defs.tables import at_rest\n", "TID251"),
        (
            "telemetry_platform/simulator/new.py",
            "from telemetry_platform.transforms.money import with_rate\n",
            "TID251",
        ),
        ("telemetry_platform/simulator/new.py", "import telemetry_platform.transforms.gold.daily_kpis\n", "TID251"),
        ("telemetry_platform/cli/new.py", PRINT, "T201"),
        ("streaming/new.py", PRINT, "T201"),
        ("telemetry_platform/defs/new.py", ANY_EXCEPTION, "BLE001"),
        ("telemetry_platform/simulator/new.py", ANY_EXCEPTION, "BLE001"),
    ],
)
def test_a_rule_is_enforced_where_it_holds(place: str, source: str, rule: str):
    assert rule in rules_broken(place, source)


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("telemetry_platform/defs/gold/new.py", DAGSTER),
        ("telemetry_platform_tests/unit/test_new.py", DAGSTER),
        ("telemetry_platform_tests/unit/test_new.py", ENVIRONMENT[0]),
        ("telemetry_platform_tests/spark/test_new.py", SESSION),
        ("streaming/new.py", "from telemetry_platform.transforms.money import with_rate\n"),
    ],
)
def test_what_is_allowed_in_a_folder_is_not_refused_there(place: str, source: str):
    assert "TID251" not in rules_broken(place, source)


def test_each_folders_list_holds_what_the_projects_list_holds_but_for_what_is_meant():
    def banned(path: str) -> set[str]:
        document = tomllib.loads((PROJECT_ROOT / path).read_text())
        lint = document["tool"]["ruff"]["lint"] if path == "pyproject.toml" else document["lint"]
        return set(lint["flake8-tidy-imports"]["banned-api"])

    everywhere = banned("pyproject.toml")
    assert banned("telemetry_platform/defs/ruff.toml") == everywhere - {"dagster"}
    assert banned("streaming/ruff.toml") == everywhere | {"telemetry_platform.defs"}
    shared = {"telemetry_platform.defs", "telemetry_platform.transforms"}
    assert banned("telemetry_platform/simulator/ruff.toml") == everywhere | shared
