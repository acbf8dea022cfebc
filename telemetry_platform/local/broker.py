"""Apache Kafka itself, one KRaft node from its published jars."""

import subprocess
import time
import uuid
from pathlib import Path

from confluent_kafka import KafkaException

from telemetry_platform.errors import StackError
from telemetry_platform.jvm import jvm_options
from telemetry_platform.local.java import java_program
from telemetry_platform.settings import Settings
from telemetry_platform.topics import admin_of, check_topics, make_topics, refuse

RETENTION_HOURS = 30 * 24
# C1 alone, long as it runs: the broker is up in half the CPU time, and one machine's load needs no more.
JVM_OPTIONS = ("-Xms128m", "-Xmx512m", *jvm_options("quick"))

_LOGGING = """status = ERROR
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
"""


def broker_properties(settings: Settings) -> str:
    """Write out the node's server.properties: everything on loopback, data under the home, a month's retention."""
    values = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{settings.kafka_controller_port}",
        "listeners": (
            f"PLAINTEXT://127.0.0.1:{settings.kafka_port},CONTROLLER://127.0.0.1:{settings.kafka_controller_port}"
        ),
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{settings.kafka_port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(settings.home / "kafka" / "data"),
        "log.retention.hours": str(RETENTION_HOURS),
        # A topic that anybody's typing error makes would have the broker's defaults.
        "auto.create.topics.enable": "false",
        "num.partitions": str(settings.kafka_partitions),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": "1048588",
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def prepare_broker(settings: Settings) -> list[str]:
    """Write the node's files, format its storage once, and return the command that runs it."""
    folder = settings.home / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.write_text(broker_properties(settings))
    logging = folder / "log4j2.properties"
    logging.write_text(_LOGGING)
    base = _java(settings, logging)
    if not (folder / "data" / "meta.properties").exists():
        _format(base, properties)
    return [*base, "kafka.Kafka", str(properties)]


def _java(settings: Settings, logging: Path) -> list[str]:
    return [
        str(java_program()),
        *JVM_OPTIONS,
        f"-Dlog4j2.configurationFile={logging}",
        "-cp",
        f"{settings.jars_dir}/broker/*",
    ]


def _format(base: list[str], properties: Path) -> None:
    cluster = ["--cluster-id", uuid.uuid4().hex[:22], "--config", str(properties), "--ignore-formatted"]
    done = subprocess.run(
        [*base, "kafka.tools.StorageTool", "format", *cluster], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StackError(f"Kafka's storage could not be formatted: {(done.stderr or done.stdout).strip()[-500:]}")


def answers(bootstrap: str, *, timeout_seconds: float = 2) -> bool:
    """Whether a broker answers a metadata request."""
    try:
        admin_of(bootstrap).list_topics(timeout=timeout_seconds)
    except KafkaException:
        return False
    return True


def ensure_topics(settings: Settings, *, alters: bool | None = None, deadline_seconds: float = 20) -> list[str]:
    """Create the topics that are not there, and hold the others to their contract; what was changed.

    Topics of the stack's own broker (`alters`, where the caller knows better) are altered. Those of another cluster
    are checked: raises TopicError when they void the promise, and StackError when the cluster refuses or is silent.
    """
    alters = settings.has_own_broker if alters is None else alters
    deadline = time.monotonic() + deadline_seconds
    changed: list[str] = []
    while True:
        has_time = time.monotonic() < deadline
        try:
            changed += make_topics(settings, alters=alters)
            found = check_topics(settings)
        except KafkaException as error:
            if not has_time:
                raise StackError(f"The topics could not be made on {settings.kafka}: {error}.") from error
        else:
            # A broker learns of what was just made or altered a moment after the answer.
            may_pass = changed or alters
            if not (has_time and may_pass and any(fault.is_error for fault in found)):
                refuse(found)
                return changed + [f"warning: {fault}" for fault in found]
        time.sleep(0.3)
