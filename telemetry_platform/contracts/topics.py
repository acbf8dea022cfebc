"""Contract of the topics: the settings that the promise of exactly one row per acknowledged record rests on.

Pure: `telemetry_platform/topics.py` reads and alters a cluster.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DAY_MILLISECONDS = 24 * 3600 * 1000
# A stream that stops before a long weekend, and a lake restored from a weekly backup, still find every record.
LEAST_RETENTION_DAYS = 7
# The collector's producer (librdkafka's defaults) sends batches and records of up to this many bytes.
LEAST_MESSAGE_BYTES = 1_000_000
MESSAGE_BYTES = 1_048_588
FULL_REPLICATION = 3


@dataclass(frozen=True)
class TopicContract:
    """How a topic is made."""

    name: str
    partitions: int
    replication_factor: int
    retention_days: int

    @property
    def config(self) -> dict[str, str]:
        """Every setting the contract makes explicit: a broker's defaults decide about none of them."""
        return {
            "cleanup.policy": "delete",
            "compression.type": "producer",
            "max.message.bytes": str(MESSAGE_BYTES),
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(in_sync_replicas(self.replication_factor)),
            "retention.bytes": "-1",
            "retention.ms": str(self.retention_days * DAY_MILLISECONDS),
            "unclean.leader.election.enable": "false",
        }


@dataclass(frozen=True)
class TopicState:
    """What a cluster says of a topic; `replication_factor` is that of its least replicated partition."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Fault:
    """A setting that voids the promise (`is_error`), or weakens it; `command` mends it."""

    topic: str
    setting: str
    found: str
    expected: str
    why: str
    is_error: bool
    command: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, should be {self.expected}: {self.why}"


def in_sync_replicas(replication_factor: int) -> int:
    """Replicas that must have a record before it is acknowledged: one may be down, none may be the only one."""
    return 2 if replication_factor >= FULL_REPLICATION else 1


def replication_on(brokers: int) -> int:
    """Replication factor of a topic that is made on a cluster of so many brokers."""
    return max(1, min(FULL_REPLICATION, brokers))


def differences(state: TopicState, contract: TopicContract) -> dict[str, str]:
    """Settings of the contract that the topic does not have as they are; altering them brings it to the contract.

    The number of partitions is left alone: another one would put a player's events out of order.
    """
    return {name: value for name, value in contract.config.items() if state.config.get(name) != value}


def missing_topic(contract: TopicContract, bootstrap: str) -> Fault:
    """Return the fault of a topic that is not there."""
    config = " ".join(f"--config {name}={value}" for name, value in contract.config.items())
    return Fault(
        contract.name,
        "topic",
        "missing",
        "there",
        "nothing can be received",
        is_error=True,
        command=f"`telemetry up`, or kafka-topics.sh --bootstrap-server {bootstrap} --create --topic {contract.name} "
        f"--partitions {contract.partitions} --replication-factor {contract.replication_factor} {config}",
    )


def faults(state: TopicState, contract: TopicContract, bootstrap: str) -> list[Fault]:
    """Hold a topic of a foreign cluster to the promise, not to the letter of the contract.

    An error is what loses acknowledged records, keeps them from being received at all, or lets a producer decide when
    they were received. A setting that the cluster does not tell, and one that is stricter than the contract, is none.
    """
    settings = state.config
    found = [
        *_cleanup_faults(settings, contract),
        *_retention_faults(settings, contract),
        *_replication_faults(state),
        *_record_faults(settings, contract),
    ]
    return [
        Fault(state.name, setting, is_, should, why, is_error, _command(bootstrap, state.name, setting, should))
        for setting, is_, should, why, is_error in found
    ]


_Found = tuple[str, str, str, str, bool]


def _cleanup_faults(settings: Mapping[str, str], contract: TopicContract) -> Iterator[_Found]:
    policy = settings.get("cleanup.policy", "delete")
    if "compact" in policy:
        why = "compaction removes all but the newest record of each player, acknowledged or not"
        yield "cleanup.policy", policy, contract.config["cleanup.policy"], why, True


def _retention_faults(settings: Mapping[str, str], contract: TopicContract) -> Iterator[_Found]:
    milliseconds = int(settings.get("retention.ms", "-1"))
    wanted = contract.config["retention.ms"]
    floor = min(LEAST_RETENTION_DAYS, contract.retention_days) * DAY_MILLISECONDS
    if 0 <= milliseconds < floor:
        why = f"a stream that stands still for more than {milliseconds / DAY_MILLISECONDS:g} days loses records"
        yield "retention.ms", str(milliseconds), wanted, why, True
    elif 0 <= milliseconds < int(wanted):
        why = f"records can be read again for {milliseconds / DAY_MILLISECONDS:g} days only"
        yield "retention.ms", str(milliseconds), wanted, why, False
    size = settings.get("retention.bytes", "-1")
    if int(size) >= 0:
        why = "a partition that outgrows it loses its oldest records, read or not, however young they are"
        yield "retention.bytes", size, "-1", why, False


def _replication_faults(state: TopicState) -> Iterator[_Found]:
    replicas, setting = state.replication_factor, "min.insync.replicas"
    in_sync = int(state.config.get(setting, in_sync_replicas(replicas)))
    wanted = in_sync_replicas(replicas)
    if replicas < FULL_REPLICATION:
        why = "acknowledged records are lost with a machine" if replicas == 1 else "one machine down leaves one copy"
        yield "replication factor", str(replicas), str(FULL_REPLICATION), why, False
    if in_sync > replicas:
        yield setting, str(in_sync), str(wanted), f"a topic of {replicas} replicas then takes no record", True
    elif in_sync < wanted:
        why = "acks=all is then answered by the leader alone, and what only it has is lost with it"
        yield setting, str(in_sync), str(wanted), why, True
    if replicas > 1 and state.config.get("unclean.leader.election.enable") == "true":
        why = "a replica that lacks acknowledged records may become the leader, and they are gone"
        yield "unclean.leader.election.enable", "true", "false", why, True


def _record_faults(settings: Mapping[str, str], contract: TopicContract) -> Iterator[_Found]:
    stamped = settings.get("message.timestamp.type", "LogAppendTime")
    if stamped != "LogAppendTime":
        why = "the clock of whoever produces decides when a record was received, and a wrong one puts it out of sight"
        yield "message.timestamp.type", stamped, "LogAppendTime", why, True
    size = int(settings.get("max.message.bytes", MESSAGE_BYTES))
    if size < LEAST_MESSAGE_BYTES:
        why = f"the collector sends up to {LEAST_MESSAGE_BYTES} bytes at once, and what is refused is never received"
        yield "max.message.bytes", str(size), contract.config["max.message.bytes"], why, True


def _command(bootstrap: str, topic: str, setting: str, value: str) -> str:
    if setting == "replication factor":
        return f"kafka-reassign-partitions.sh --bootstrap-server {bootstrap} --execute (a plan with {value} replicas)"
    return (
        f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {topic} "
        f"--add-config {setting}={value}"
    )
