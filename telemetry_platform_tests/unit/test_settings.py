from datetime import date
from pathlib import Path

import pytest

from telemetry_platform.errors import SettingsError
from telemetry_platform.settings import PROJECT_ROOT, read_settings


def test_with_no_environment_everything_lives_under_the_project_and_on_this_machine():
    settings = read_settings({})
    assert settings.home == PROJECT_ROOT / ".telemetry"
    assert settings.lake == str(PROJECT_ROOT / ".telemetry" / "lake")
    assert settings.kafka == "127.0.0.1:9092"
    assert settings.has_own_broker
    assert settings.warehouse.is_stand_in
    assert settings.start_date == date(2023, 1, 1)


def test_another_home_and_other_ports_move_the_whole_stack():
    settings = read_settings(
        {"TELEMETRY_HOME": "/srv/second", "TELEMETRY_KAFKA_PORT": "19092", "TELEMETRY_WAREHOUSE_PORT": "18085"}
    )
    assert settings.games_dir == Path("/srv/second/games")
    assert settings.kafka == "127.0.0.1:19092"
    assert settings.warehouse.port == 18085


def test_a_cluster_and_an_object_store_are_only_settings():
    settings = read_settings({"TELEMETRY_KAFKA": "kafka.example:9092", "TELEMETRY_LAKE": "s3a://bucket/lake/"})
    assert (settings.kafka, settings.has_own_broker) == ("kafka.example:9092", False)
    assert settings.lake == "s3a://bucket/lake"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEMETRY_KAFKA_PORT", "kafka"),
        ("TELEMETRY_COLLECTOR_PORT", "70000"),
        ("TELEMETRY_START_DATE", "01.01.2026"),
        ("TELEMETRY_KAFKA_PARTITIONS", "0"),
        ("TELEMETRY_VACUUM_HOURS", "23"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str):
    with pytest.raises(SettingsError, match=name):
        read_settings({name: value})


def test_an_account_without_a_key_is_refused():
    with pytest.raises(SettingsError, match="SNOWFLAKE_PRIVATE_KEY_PATH"):
        read_settings({"SNOWFLAKE_ACCOUNT": "acme", "SNOWFLAKE_USER": "telemetry"})
