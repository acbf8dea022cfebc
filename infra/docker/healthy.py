"""Health check of the containers: exit 0 when what is asked answers, 1 with the reason when not.

`healthy.py http://127.0.0.1:8080/readyz` wants status 200; `--any-status` takes every answer of an
HTTP server that has no health page; `grpc://127.0.0.1:4000` asks Dagster's code server. It imports
nothing of the product, because it runs every few seconds beside what it watches.
"""

import argparse
import http.client
import sys
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 4


def http_failure(address: str, port: int, path: str, *, any_status: bool) -> str | None:
    """Why a GET does not do, or None; http.client, unlike urllib, never takes the way through a proxy."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error!r}"
    finally:
        connection.close()
    return None if any_status or status == http.client.OK else f"status {status}"


def grpc_failure(address: str, port: int) -> str | None:
    """Why Dagster's code server does not serve, or None; its own command takes ten times the CPU time."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"{address}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            request = health_pb2.HealthCheckRequest(service="DagsterApi")
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return f"no answer: {error.code()}"
    return None if answer.status == health_pb2.HealthCheckResponse.SERVING else f"status {answer.status}"


def main() -> int:
    """Check one address; the reason of a failure goes to the container's health log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--any-status", action="store_true")
    arguments = parser.parse_args()
    url = urlsplit(arguments.url)
    if url.scheme not in {"http", "grpc"} or url.hostname is None or url.port is None:
        parser.error(f"{arguments.url!r} is neither http://host:port/path nor grpc://host:port.")
    if url.scheme == "grpc":
        failure = grpc_failure(url.hostname, url.port)
    else:
        failure = http_failure(url.hostname, url.port, url.path or "/", any_status=arguments.any_status)
    if failure is not None:
        sys.stderr.write(f"{arguments.url}: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
