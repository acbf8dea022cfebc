"""Run the collector: `python -m telemetry_platform.collector`."""

import gc
import logging
import sys

import uvicorn

from telemetry_platform.collector.app import Collector
from telemetry_platform.collector.producer import EventProducer
from telemetry_platform.collector.protocol import bounded_protocol
from telemetry_platform.contracts.signature import Signer, signing_key
from telemetry_platform.errors import TopicError
from telemetry_platform.settings import current_settings
from telemetry_platform.topics import require_sound_topics

log = logging.getLogger("collector")

DRAIN_SECONDS = 12
# Longer than the minute after which many load balancers close an idle connection, so that they do so first.
KEEP_ALIVE_SECONDS = 75


def main() -> int:
    """Serve until SIGTERM, then finish what was begun; exit 1 with one line where a 2xx would promise too much."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = current_settings()
    try:
        require_sound_topics(settings)
    except TopicError as error:
        log.error("event=refused reason=%s", error)
        return 1
    # Start-up made objects that stay; a collection need not look through them, nor after every few events.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    uvicorn.run(
        Collector(settings, EventProducer(settings.kafka, Signer(signing_key(settings.keys_dir)))),
        host=settings.collector_host,
        port=settings.collector_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
        proxy_headers=False,
        http=bounded_protocol(settings.edge.limits),
        ws="none",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
