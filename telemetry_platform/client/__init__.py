"""Client of the collector: `TelemetryClient` sends one batch at a time, `EventQueue` takes events one by one."""

from telemetry_platform.client.delivery import RejectedEvent
from telemetry_platform.client.queue import EventQueue, QueueOptions
from telemetry_platform.client.sending import Answer, Rejected, TelemetryClient
from telemetry_platform.client.tally import QueueCounts

__all__ = ["Answer", "EventQueue", "QueueCounts", "QueueOptions", "Rejected", "RejectedEvent", "TelemetryClient"]
