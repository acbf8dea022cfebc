"""The code location loads with nothing around it, and its graph changes on purpose only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry_platform.settings import PROJECT_ROOT

GRAPH = """
import json
from telemetry_platform.definitions import defs
graph = defs().resolve_asset_graph()
nodes = [graph.get(key) for key in sorted(graph.get_all_asset_keys())]
print(json.dumps({
    node.key.to_user_string(): {
        "deps": sorted(key.to_user_string() for key in node.parent_keys),
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": sorted(node.owners),
        "daily": node.is_partitioned,
        "checks": sorted(check.name for check in node.check_keys),
        "described": bool(node.description),
    }
    for node in nodes
}))
"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    home = tmp_path_factory.mktemp("empty")
    environment = {"TELEMETRY_HOME": str(home / "nothing"), "PATH": os.environ["PATH"], "HOME": str(home)}
    loaded = subprocess.run(
        [sys.executable, "-c", GRAPH], env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    assert not (home / "nothing").exists(), "loading the definitions wrote to the home"
    return json.loads(loaded.stdout)


def test_the_asset_graph_is_the_one_in_the_snapshot(graph: dict[str, dict]):
    snapshot = Path(__file__).with_name("asset_graph.json")
    assert graph == json.loads(snapshot.read_text())


def test_every_asset_has_an_owner_and_a_description(graph: dict[str, dict]):
    without = [key for key, node in graph.items() if not node["owners"] or not node["described"]]
    assert without == []
