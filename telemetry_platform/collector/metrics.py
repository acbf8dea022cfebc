"""What the collector counts."""

from prometheus_client import Counter, Gauge, Histogram

ACCEPTED = Counter("telemetry_collector_accepted_events_total", "Events acknowledged by Kafka", ["game_id", "source"])
REJECTED = Counter("telemetry_collector_rejected_events_total", "Events kept as rejects", ["game_id", "error_type"])
REFUSED = Counter("telemetry_collector_refused_requests_total", "Requests refused as a whole", ["error_type"])
OVER_QUOTA = Counter("telemetry_collector_over_quota_requests_total", "Requests answered 429", ["game_id"])
CLOCK = Counter(
    "telemetry_collector_clock_troubles_total", "Events and requests with a wrong clock", ["game_id", "kind"]
)
REQUESTS = Counter("telemetry_collector_requests_total", "Requests by path and status", ["path", "status"])
PRODUCE_SECONDS = Histogram(
    "telemetry_collector_produce_seconds",
    "From the first record handed over to the last acknowledgement",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
REQUEST_SECONDS = Histogram(
    "telemetry_collector_request_seconds",
    "From a request's headers to its answer",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
QUEUED = Gauge("telemetry_collector_queued_records", "Records handed to the producer and not yet acknowledged")
IN_FLIGHT_BYTES = Gauge("telemetry_collector_in_flight_bytes", "Bytes of the bodies being worked on")
CLOSED = Counter(
    "telemetry_collector_closed_connections_total", "Connections closed without an answer to a request", ["reason"]
)
UNREADABLE = Gauge(
    "telemetry_collector_games_unreadable",
    "1 for a game whose registry entry or schemas cannot be used now",
    ["game_id"],
)
