"""Bronze rows of simulated days, written as the stream would.

python -m benchmarks.daily.bronze LAKE EVENTS DAYS
"""

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from telemetry_platform.lake.log import table_path
from telemetry_platform.settings import EVENTS_TOPIC

GAMES = 2
EVENTS_PER_PLAYER = 30
FIRST_DAY = date(2024, 3, 1)
NAMES = np.array(["heartbeat", "level_started", "level_completed", "session_start", "ad_impression", "purchase"])
SHARES = [0.58, 0.15, 0.12, 0.1, 0.04, 0.01]
PROPERTIES = {
    "level_started": '{"level":"L7","level_index":7}',
    "level_completed": '{"level":"L7","level_index":7,"score":1200,"seconds":41.5}',
    "ad_impression": '{"network":"n","placement":"p","ad_format":"rewarded","revenue_micros":12500,"currency":"USD"}',
}
SHARE_OF_COPIES = 0.01


def write_bronze(lake: Path, *, events: int, days: int, seed: int = 1) -> None:
    """Write `events` good rows a day, one in a hundred of them twice, as the stream would."""
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        frame = _bronze_of(day, events, np.random.default_rng((seed, number)), first_offset=number * 2 * events)
        write_deltalake(
            table_path(str(lake), "bronze.events"), frame, mode="append", partition_by=["received_date", "arrival"]
        )


def _bronze_of(day: date, events: int, random: np.random.Generator, *, first_offset: int) -> pa.Table:
    players = max(1, events // EVENTS_PER_PLAYER)
    player = random.integers(0, players, events)
    # Three sittings a day for each player, of 20 minutes each.
    sitting = (player * 7919 % 54_000 + random.integers(0, 3, events) * 9_000) % 82_000
    seconds = sitting + random.uniform(0, 1200, events)
    ids = random.integers(0, 2**63, (events, 2), dtype=np.int64)
    names = random.choice(NAMES, events, p=SHARES)
    keep = np.concatenate([np.arange(events), random.integers(0, events, int(events * SHARE_OF_COPIES))])
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1e6)
    happened = pa.array((midnight + seconds * 1e6).astype("int64")[keep]).cast(pa.timestamp("us", "UTC"))
    properties = [PROPERTIES.get(name, "{}") for name in names]
    for index in np.flatnonzero(names == "purchase"):
        properties[index] = (
            f'{{"transaction_id":"t{ids[index, 0]}","product_id":"gems","price_minor":499,"currency":"USD",'
            '"receipt_status":"valid"}'
        )
    kept = keep.tolist()
    text = [f"{a:016x}{b:016x}" for a, b in ids.tolist()]
    count = len(kept)
    columns = {
        "event_id": [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in (text[i] for i in kept)],
        "event_name": pa.array(names[keep].tolist()),
        "event_version": pa.array(np.ones(count, "int32")),
        "game_id": [f"bench{player[i] % GAMES}" for i in kept],
        "player_id": [f"p{player[i]:07d}" for i in kept],
        "device_id": [f"d{player[i]:07d}" for i in kept],
        "platform": ["ios" if player[i] % 3 else "android" for i in kept],
        "build_version": [f"1.{player[i] % 4}.0" for i in kept],
        "country": [("DE", "US", "JP", "BR")[player[i] % 4] for i in kept],
        "environment": pa.array(["production"] * count),
        "created_ts": happened,
        "sent_ts": happened,
        "received_ts": happened,
        "event_ts": happened,
        "source": pa.array(["collector"] * count),
        "clock_corrected": pa.array([False] * count),
        "properties": [properties[i] for i in kept],
        "event_date": pa.array([day] * count),
        "kafka_topic": pa.array([EVENTS_TOPIC] * count),
        "kafka_partition": pa.array(np.zeros(count, "int32")),
        "kafka_offset": pa.array(first_offset + np.arange(count)),
        "received_date": pa.array([day] * count),
        "arrival": pa.array(["on_time"] * count),
        "session_id": pa.nulls(count, pa.string()),
        "error_type": pa.nulls(count, pa.string()),
        "error_message": pa.nulls(count, pa.string()),
        "raw_value": pa.nulls(count, pa.binary()),
    }
    return pa.table(columns)


if __name__ == "__main__":
    write_bronze(Path(sys.argv[1]), events=int(sys.argv[2]), days=int(sys.argv[3]))
