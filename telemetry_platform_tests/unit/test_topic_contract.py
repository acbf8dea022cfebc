"""What a topic's settings do to the promise: compared without a broker."""

import pytest

from telemetry_platform.contracts.topics import (
    DAY_MILLISECONDS,
    TopicContract,
    TopicState,
    differences,
    faults,
    missing_topic,
    replication_on,
)

TOPIC = "telemetry.events.v1"
REPLICATED = TopicContract(TOPIC, partitions=4, replication_factor=3, retention_days=30)
ALONE = TopicContract(TOPIC, partitions=4, replication_factor=1, retention_days=30)


def state(*, contract: TopicContract = REPLICATED, **settings: str) -> TopicState:
    """A topic as its contract says, but for `settings`, written with underscores."""
    changed = {name.replace("_", "."): value for name, value in settings.items()}
    return TopicState(TOPIC, 4, contract.replication_factor, contract.config | changed)


def test_a_topic_made_by_the_contract_has_no_fault_and_nothing_to_alter():
    assert faults(state(), REPLICATED, "kafka:9092") == []
    assert differences(state(), REPLICATED) == {}


def test_the_settings_a_topic_is_made_with_are_all_explicit():
    assert REPLICATED.config == {
        "cleanup.policy": "delete",
        "compression.type": "producer",
        "max.message.bytes": "1048588",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
        "retention.bytes": "-1",
        "retention.ms": "2592000000",
        "unclean.leader.election.enable": "false",
    }
    assert ALONE.config["min.insync.replicas"] == "1"


@pytest.mark.parametrize(("brokers", "replicas"), [(0, 1), (1, 1), (2, 2), (3, 3), (9, 3)])
def test_a_new_topic_has_three_copies_where_there_are_brokers_for_them(brokers: int, replicas: int):
    assert replication_on(brokers) == replicas


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("cleanup.policy", "compact", "delete"),
        ("cleanup.policy", "compact,delete", "delete"),
        ("retention.ms", str(7 * DAY_MILLISECONDS - 1), "2592000000"),
        ("retention.ms", "0", "2592000000"),
        ("min.insync.replicas", "1", "2"),
        ("min.insync.replicas", "4", "2"),
        ("message.timestamp.type", "CreateTime", "LogAppendTime"),
        ("unclean.leader.election.enable", "true", "false"),
        ("max.message.bytes", "999999", "1048588"),
    ],
)
def test_what_loses_records_or_lets_a_producer_set_the_clock_is_an_error_with_its_command(
    setting: str, value: str, expected: str
):
    (fault,) = faults(state(**{setting.replace(".", "_"): value}), REPLICATED, "kafka:9092")
    assert (fault.setting, fault.found, fault.expected, fault.is_error) == (setting, value, expected, True)
    assert fault.command == (
        f"kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name {TOPIC} "
        f"--add-config {setting}={expected}"
    )
    assert str(fault).startswith(f"{TOPIC}: {setting} is {value}, should be {expected}: ")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("retention.ms", str(7 * DAY_MILLISECONDS)), ("retention.ms", "2591999999"), ("retention.bytes", "1000000000")],
)
def test_what_shortens_the_time_to_mend_something_is_a_warning(setting: str, value: str):
    (fault,) = faults(state(**{setting.replace(".", "_"): value}), REPLICATED, "kafka:9092")
    assert (fault.setting, fault.is_error) == (setting, False)


@pytest.mark.parametrize(
    "settings",
    [
        {"retention_ms": "-1"},
        {"retention_ms": "99999999999"},
        {"min_insync_replicas": "3"},
        {"max_message_bytes": "1000000"},
        {"compression_type": "zstd"},
    ],
)
def test_another_setting_that_keeps_the_promise_is_no_fault(settings: dict[str, str]):
    assert faults(state(**settings), REPLICATED, "kafka:9092") == []


def test_more_partitions_and_settings_that_a_cluster_does_not_tell_are_no_fault():
    assert faults(TopicState(TOPIC, 64, 3, {}), REPLICATED, "kafka:9092") == []


@pytest.mark.parametrize("replicas", [1, 2])
def test_fewer_than_three_copies_are_a_warning_and_an_unclean_election_needs_a_second_copy(replicas: int):
    contract = TopicContract(TOPIC, 4, replicas, 30)
    found = faults(state(contract=contract, unclean_leader_election_enable="true"), contract, "kafka:9092")
    assert [(fault.setting, fault.is_error) for fault in found if fault.setting == "replication factor"] == [
        ("replication factor", False)
    ]
    assert [fault.setting for fault in found if fault.is_error] == ["unclean.leader.election.enable"] * (replicas - 1)


def test_who_asks_for_less_than_a_week_gets_it_and_less_than_that_is_an_error():
    three_days = TopicContract(TOPIC, 4, 3, 3)
    assert faults(state(contract=three_days), three_days, "kafka:9092") == []
    (fault,) = faults(state(retention_ms=str(2 * DAY_MILLISECONDS)), three_days, "kafka:9092")
    assert fault.is_error


def test_a_topic_of_an_older_version_differs_in_what_the_contract_now_says():
    made_by_defaults = TopicState(
        TOPIC, 4, 1, ALONE.config | {"message.timestamp.type": "CreateTime", "retention.ms": "604800000"}
    )
    assert differences(made_by_defaults, ALONE) == {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "2592000000",
    }


def test_a_topic_that_is_not_there_is_an_error_and_its_command_has_every_setting():
    fault = missing_topic(REPLICATED, "kafka:9092")
    assert fault.is_error
    assert "--create --topic telemetry.events.v1 --partitions 4 --replication-factor 3" in fault.command
    assert all(f"--config {name}={value}" in fault.command for name, value in REPLICATED.config.items())
