"""SQL over the lake opens the tables and the days a statement needs, and answers as if all were open."""

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from telemetry_platform.cli.lake_views import create_views
from telemetry_platform.cli.query import ask_lake
from telemetry_platform.errors import LakeError
from telemetry_platform.settings import Settings, read_settings

DAYS = [date(2024, 3, day) for day in range(1, 11)]
GAMES = ["g", "h", None]


def frame(offset: int) -> pa.Table:
    rows = [(day, game, offset + place) for place, day in enumerate([*DAYS, date.max, None]) for game in GAMES]
    return pa.table(
        {
            "event_date": pa.array([row[0] for row in rows], pa.date32()),
            "game_id": pa.array([row[1] for row in rows], pa.string()),
            "dau": pa.array([row[2] for row in rows], pa.int64()),
        }
    )


TABLES = {"gold.daily_kpis": frame(0), "silver.player_days": frame(100)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name, rows in TABLES.items():
        address = tmp_path / name.replace(".", "/")
        address.parent.mkdir(exist_ok=True)
        write_deltalake(address, rows, partition_by=["event_date", "game_id"])
    (tmp_path / "silver/events").mkdir()
    write_deltalake(tmp_path / "silver/events", frame(7), partition_by=["event_date", "game_id"])
    return read_settings({"TELEMETRY_LAKE": str(tmp_path)})


def spoil(settings: Settings, pattern: str) -> None:
    """Leave nothing readable of the files that a statement has no use for."""
    files = list(Path(settings.lake).glob(pattern))
    assert files
    for file in files:
        file.write_bytes(b"no Parquet")


BOUNDED = [
    "select sum(dau) from gold.daily_kpis where event_date = '2024-03-05'",
    "select sum(dau) from GOLD.Daily_KPIs k where k.event_date = date '2024-03-05' and game_id = 'g'",
    "select sum(dau) from gold.daily_kpis where event_date between '2024-03-05' and '2024-03-05'",
    "select sum(dau) from gold.daily_kpis where event_date >= '2024-03-05' and event_date < '2024-03-06'",
    "select sum(dau) from gold.daily_kpis where event_date in ('2024-03-05', '2024-03-06')",
    "select sum(dau) from gold.daily_kpis where event_date = '2024-03-05' or event_date = '2024-03-06'",
    "select sum(dau) from gold.daily_kpis where not (event_date < '2024-03-05' or event_date > '2024-03-05')",
    "select sum(dau) from (select * from gold.daily_kpis) where event_date = '2024-03-05'",
    "with k as (from gold.daily_kpis) select sum(dau) from k where event_date = '2024-03-05'",
    "select sum(a.dau + b.dau) from gold.daily_kpis a join gold.daily_kpis b using (event_date, game_id) "
    "where event_date = '2024-03-05'",
    "select sum(dau) from (from gold.daily_kpis where event_date = '2024-03-05' union all "
    "from gold.daily_kpis where event_date = '2024-03-06')",
]
WHOLE = [
    "select count(*), count(event_date), sum(dau) from gold.daily_kpis",
    "select sum(dau) from gold.daily_kpis where event_date = '2024-03-05' or dau = 2",
    "select count(*) from gold.daily_kpis where event_date is null",
    "select count(*) from gold.daily_kpis where event_date != '2024-03-05'",
    "select max(event_date) from gold.daily_kpis where event_date >= '2024-03-05'",
    "select count(*) from gold.daily_kpis where event_date < '2024-03-03' or event_date is null",
    "select count(*) from gold.daily_kpis where event_date = '2024-03-05' and 1 = 0",
    "select count(*), sum(b.dau) from gold.daily_kpis a left join silver.player_days b "
    "on a.event_date = b.event_date + 1 and a.game_id = b.game_id where a.event_date > '2024-03-05'",
    "select count(*) from gold.daily_kpis a full join silver.player_days b using (event_date, game_id) "
    "where event_date = '2024-03-05'",
    "select count(*) from gold.daily_kpis a where event_date = '2024-03-05' and exists "
    "(from silver.player_days b where b.game_id = a.game_id and b.event_date = '2024-03-09')",
    "select (select sum(dau) from gold.daily_kpis where event_date = '2024-03-05') + sum(dau) from gold.daily_kpis",
    "select dau, count(*) from gold.daily_kpis where game_id = ' AND event_date = ''2024-03-05''::DATE' group by 1",
    "select sum(dau) filter (event_date = '2024-03-05') from gold.daily_kpis",
    "select count(*) from gold.daily_kpis where event_date::varchar like '2024-03-0%'",
    "select count(*) from gold.daily_kpis where event_date >= current_date - 30 or event_date = '2024-03-05'",
    "select event_date, dau from gold.daily_kpis where game_id = 'g' order by event_date desc nulls last limit 3",
]


@pytest.mark.parametrize("statement", [*BOUNDED, *WHOLE])
def test_the_answer_is_that_of_all_files(settings: Settings, statement: str):
    with duckdb.connect() as connection:
        for name, rows in TABLES.items():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
            connection.register("rows_of_it", rows)
            connection.execute(f"CREATE TABLE {name} AS FROM rows_of_it")
        expected = connection.execute(statement).fetchall()
    assert ask_lake(settings, statement)[1] == expected


@pytest.mark.parametrize("statement", BOUNDED)
def test_days_a_statement_does_not_ask_for_are_not_even_listed(settings: Settings, statement: str):
    expected = ask_lake(settings, statement)
    spoil(settings, "gold/daily_kpis/event_date=2024-03-01/*/*.parquet")
    spoil(settings, "gold/daily_kpis/event_date=2024-03-1*/*/*.parquet")
    with duckdb.connect() as connection:
        create_views(connection, settings.lake, statement)
        opened = connection.execute("select distinct event_date from gold.daily_kpis").fetchall()
    assert {day for (day,) in opened} <= {*DAYS[3:7]}
    assert ask_lake(settings, statement) == expected


def test_a_table_that_is_not_named_is_not_opened(settings: Settings):
    (Path(settings.lake) / "silver/events/_delta_log" / f"{0:020}.json").write_text("no JSON")
    assert ask_lake(settings, "select count(*) from gold.daily_kpis")[1] == [(36,)]


def test_a_misspelt_table_is_refused_with_the_name_that_may_have_been_meant(settings: Settings):
    with pytest.raises(LakeError, match=r"(?s)daily_kpi does not exist.*Did you mean \"daily_kpis\""):
        ask_lake(settings, "select * from gold.daily_kpi")


def test_a_table_whose_name_is_put_together_is_found(settings: Settings):
    assert ask_lake(settings, "select count(*) from query_table('gold.daily_' || 'kpis')")[1] == [(36,)]


def test_the_catalog_lists_every_table(settings: Settings):
    statement = "select table_schema || '.' || table_name from information_schema.tables where table_schema != 'main'"
    assert sorted(name for (name,) in ask_lake(settings, statement)[1]) == [
        "gold.daily_kpis",
        "silver.events",
        "silver.player_days",
    ]
