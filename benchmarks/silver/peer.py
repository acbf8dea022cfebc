"""The peer: DuckDB over the same bronze files, in a process of its own.

python -m benchmarks.silver.peer LAKE TARGET
"""

import sys
from pathlib import Path

import duckdb

# Two threads, as Spark has on the machine the figures are from, and room for the largest day.
SETTINGS = {"threads": 2, "memory_limit": "8GB"}


def main(lake: Path, target: Path) -> None:
    """Compute the three tables of `lake`'s bronze and write them as Parquet under `target`."""
    target.mkdir(parents=True)
    connection = duckdb.connect(config=SETTINGS | {"temp_directory": str(target / "spill")})
    connection.execute("SET VARIABLE bronze = ?", [f"{lake}/bronze/events/**/*.parquet"])
    connection.execute("SET VARIABLE target = ?", [str(target)])
    connection.execute(Path(__file__).with_name("peer.sql").read_text())


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
