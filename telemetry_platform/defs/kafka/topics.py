"""The topics, as external assets: the collector writes them, Dagster only shows them."""

import dagster as dg

from telemetry_platform.settings import EVENTS_TOPIC, REJECTED_TOPIC

EVENTS = dg.AssetKey(["kafka", EVENTS_TOPIC.replace(".", "_")])
REJECTED = dg.AssetKey(["kafka", REJECTED_TOPIC.replace(".", "_")])

events_topic = dg.AssetSpec(
    EVENTS,
    description="Accepted events as JSON, keyed by game and player; produced by the collector.",
    group_name="kafka",
    kinds={"kafka"},
    owners=["team:platform"],
    metadata={"topic": EVENTS_TOPIC},
)

rejected_topic = dg.AssetSpec(
    REJECTED,
    description="Rejected events: the original bytes, with type and message of the reason in the headers.",
    group_name="kafka",
    kinds={"kafka"},
    owners=["team:platform"],
    metadata={"topic": REJECTED_TOPIC},
)
