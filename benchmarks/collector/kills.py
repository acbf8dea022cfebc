"""Kill -9 of the broker and of the collector under load, many times.

python -m benchmarks.collector.kills --kills 20 --seed 1
"""

import argparse
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from telemetry_platform_tests.integration.kill_run import Outcome, run_with_kills
from telemetry_platform_tests.integration.own_stack import settings_on_free_ports


def main() -> None:
    """Run, show the account, and exit with 1 when an acknowledged event is missing or its copies differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        outcome = run_with_kills(settings_on_free_ports(Path(home)), kills=chosen.kills, seed=chosen.seed)
    Console().print(_table(outcome, time.monotonic() - began))
    sys.exit(1 if outcome.lost or outcome.changed else 0)


def _table(outcome: Outcome, seconds: float) -> Table:
    table = Table("", "", show_header=False)
    killed = Counter(" and ".join(targets) for targets in outcome.kills)
    rows = {
        "seed": outcome.seed,
        "kills": ", ".join(f"{count} × {target}" for target, count in sorted(killed.items())),
        "seconds": f"{seconds:.0f}",
        "acknowledged events": f"{outcome.acknowledged:,}",
        "of them not in Kafka": len(outcome.lost),
        "records in Kafka": f"{outcome.records:,}",
        "copies, which silver's dedup drops": f"{outcome.copies:,}",
        "of them changed, which dedup would keep": len(outcome.changed),
        "batches the client gave up": outcome.given_up,
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table


if __name__ == "__main__":
    main()
