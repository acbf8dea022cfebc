"""The topics on a cluster: made and altered where it is ours, checked wherever they are."""

import logging
from collections.abc import Collection

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,  # pyright: ignore[reportPrivateImportUsage] - the documented import
    ClusterMetadata,  # pyright: ignore[reportPrivateImportUsage]
    ConfigEntry,  # pyright: ignore[reportPrivateImportUsage]
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
)
from confluent_kafka.cimpl import NewTopic

from telemetry_platform.contracts.topics import (
    Fault,
    TopicContract,
    TopicState,
    differences,
    faults,
    missing_topic,
    replication_on,
)
from telemetry_platform.errors import TopicError
from telemetry_platform.settings import EVENTS_TOPIC, REJECTED_TOPIC, Settings

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5
TOPICS = (EVENTS_TOPIC, REJECTED_TOPIC)


def admin_of(bootstrap: str) -> AdminClient:
    """Return a client that is quiet while a broker is still starting."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2, "socket.connection.setup.timeout.ms": 2000})


def make_topics(settings: Settings, *, alters: bool) -> list[str]:
    """Create the topics that are not there and, where `alters`, bring the others to the contract; what was changed.

    Raises KafkaException when the cluster refuses or does not answer.
    """
    admin = admin_of(settings.kafka)
    metadata = admin.list_topics(timeout=ANSWER_SECONDS)
    contracts = _contracts(settings, metadata)
    missing = [contract for contract in contracts if contract.name not in metadata.topics]
    topics = [NewTopic(one.name, one.partitions, one.replication_factor, config=one.config) for one in missing]
    for future in admin.create_topics(topics).values() if topics else ():
        future.result()
    there = [contract for contract in contracts if contract not in missing]
    return [f"made topic {one.name}" for one in missing] + (_alter(admin, metadata, there) if alters else [])


def check_topics(settings: Settings) -> list[Fault]:
    """Hold the cluster's topics to the promise; raises KafkaException when it does not answer, or will not tell.

    Of the stack's own broker only errors count: that a laptop has one copy of each record is known.
    """
    admin = admin_of(settings.kafka)
    metadata = admin.list_topics(timeout=ANSWER_SECONDS)
    contracts = _contracts(settings, metadata)
    there = [contract for contract in contracts if contract.name in metadata.topics]
    found = [missing_topic(one, settings.kafka) for one in contracts if one not in there]
    states = _states(admin, metadata, [one.name for one in there])
    found += [fault for one in there for fault in faults(states[one.name], one, settings.kafka)]
    return [fault for fault in found if fault.is_error or not settings.has_own_broker]


def require_sound_topics(settings: Settings) -> None:
    """Refuse to work on topics that lose records or let producers set the clock; raises TopicError.

    Warnings are logged. A cluster that does not answer, or may not be asked, is no reason to stay down: what starts
    now meets it again when it works.
    """
    try:
        found = check_topics(settings)
    except KafkaException as error:
        log.warning("event=topics_not_checked kafka=%s reason=%s", settings.kafka, error)
        return
    for fault in found:
        if not fault.is_error:
            log.warning("event=topic_setting %s mend=%s", fault, fault.command)
    refuse(found)


def refuse(found: Collection[Fault]) -> None:
    """Raise TopicError when a fault is an error; its message is one line."""
    errors = [fault for fault in found if fault.is_error]
    if errors:
        raise TopicError("; ".join(f"{fault}. Mend it with {fault.command}" for fault in errors))


def _contracts(settings: Settings, metadata: ClusterMetadata) -> list[TopicContract]:
    replication = replication_on(len(metadata.brokers))
    days = settings.kafka_retention_days
    return [TopicContract(name, settings.kafka_partitions, replication, days) for name in TOPICS]


def _states(admin: AdminClient, metadata: ClusterMetadata, names: Collection[str]) -> dict[str, TopicState]:
    asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    answers = admin.describe_configs(asked, request_timeout=ANSWER_SECONDS) if asked else {}
    states = {}
    for resource, future in answers.items():
        partitions = metadata.topics[resource.name].partitions
        config = {name: entry.value for name, entry in future.result().items() if entry.value is not None}
        replication = min(len(partition.replicas) for partition in partitions.values())
        states[resource.name] = TopicState(resource.name, len(partitions), replication, config)
    return states


def _alter(admin: AdminClient, metadata: ClusterMetadata, there: Collection[TopicContract]) -> list[str]:
    states = _states(admin, metadata, [contract.name for contract in there])
    # The replicas a topic has decide, and not those a new one would get.
    kept = [TopicContract(c.name, c.partitions, states[c.name].replication_factor, c.retention_days) for c in there]
    changes = {one.name: found for one in kept if (found := differences(states[one.name], one))}
    resources = [
        ConfigResource(
            ConfigResource.Type.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
                for setting, value in wanted.items()
            ],
        )
        for name, wanted in changes.items()
    ]
    for future in admin.incremental_alter_configs(resources).values() if resources else ():
        future.result()
    return [
        f"topic {name}: {setting} {states[name].config.get(setting, 'unset')} -> {value}"
        for name, wanted in changes.items()
        for setting, value in wanted.items()
    ]
