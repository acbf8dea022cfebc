"""What the assets of money report: every row by its status, and a warning for money that is lost."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import PROJECT_ROOT, current_settings
from telemetry_platform_tests.builders import at, bronze_event, table

# The partitions are those of the settings with which the definitions were loaded first: a day within all of them.
DAY = date(2026, 5, 10)
NAMES = ("unsent_ids", "events", "transactions", "purchases", "ad_impressions")


def sent(name: str, **values: object) -> dict:
    row = bronze_event(name, at("12:00", DAY), **values)
    return row | {"arrival": "on_time", "source": "collector", "sent_ts": row["received_ts"]}


def bought(transaction: str, currency: str = "USD", **values: object) -> dict:
    return sent("purchase", transaction_id=transaction, price_minor=499, currency=currency, **values)


def test_rows_are_counted_by_status_and_lost_money_is_a_warning(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TELEMETRY_HOME", str(tmp_path))
    monkeypatch.setenv("TELEMETRY_JARS", str(PROJECT_ROOT / ".jars"))
    current_settings.cache_clear()
    events = [
        bought("t1"),
        bought("t1"),
        bought("t2", receipt_status="invalid"),
        bought("t3", "EUR", game_id="other", event_id="in-euros"),
        sent("ad_impression", revenue_micros=12_500, currency="USD"),
    ]
    window = Window.of_days(DAY, DAY)
    lake = Lake(current_settings().lake, spark)
    lake.replace("bronze.events", table(spark, "bronze.events", events), window)
    from telemetry_platform.definitions import defs

    day = DAY.isoformat()
    with dg.DagsterInstance.ephemeral() as instance:
        run = (
            defs()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                asset_selection=[dg.AssetKey(["silver", name]) for name in NAMES],
                tags={"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": day},
                instance=instance,
            )
        )
    current_settings.cache_clear()
    metadata = {
        event.asset_key.path[-1]: event.step_materialization_data.materialization.metadata
        for event in run.get_asset_materialization_events()
        if event.asset_key
    }
    checks = {
        check.asset_key.path[-1]: check
        for check in run.get_asset_check_evaluations()
        if check.check_name == "money_is_counted"
    }
    assert metadata["purchases"]["rows_by_status"].value == {
        "counted": 1,
        "no_rate": 1,
        "invalid_amount": 0,
        "amount_out_of_range": 0,
        "duplicate_transaction": 1,
        "invalid_receipt": 1,
    }
    assert metadata["purchases"]["not_counted_by_game"].value == {
        "game": {"duplicate_transaction": 1, "invalid_receipt": 1},
        "other": {"no_rate": 1},
    }
    assert metadata["ad_impressions"]["rows_by_status"].value["counted"] == 1
    assert metadata["ad_impressions"]["not_counted_by_game"].value == {}
    lost = checks["purchases"]
    assert (lost.passed, lost.severity, checks["ad_impressions"].passed) == (False, dg.AssetCheckSeverity.WARN, True)
    assert (lost.metadata["violations"].value, lost.metadata["games"].value) == (1, ["other"])
    assert lost.metadata["faults"].value == [
        {"game_id": "other", "rule": "no_rate", "rows": 1, "samples": ["in-euros"]}
    ]
