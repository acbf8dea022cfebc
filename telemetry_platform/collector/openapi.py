"""The collector's interface as an OpenAPI 3.1 document, from the same lists the code decides by."""

from collections.abc import Mapping
from typing import Any

from telemetry_platform.collector.error_types import EVENT_MEANINGS, REQUEST_MEANINGS, EventError, RequestError
from telemetry_platform.contracts.catalogue import builtin_catalogue
from telemetry_platform.contracts.schemas import envelope
from telemetry_platform.settings import Limits

Document = dict[str, Any]

_REQUEST_ERRORS = {
    400: "The body cannot be read",
    401: "The key is unknown",
    403: "The key lacks the right",
    408: "The body did not arrive in time",
    413: "Too large",
    415: "The Content-Encoding is not known",
    429: "Over the game's quota; Retry-After says when to send again",
    503: "Kafka cannot take the events now; Retry-After says when to send again",
}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds"}}


def openapi(limits: Limits) -> Document:
    """Describe every path, status and body of a collector with these `limits`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Game telemetry collector",
            "version": "1",
            "description": "Takes events from game clients and servers. 202 means that Kafka has acknowledged them.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/v1/events": {"post": _take("sendEvents", "Send events", limits)},
            "/v1/import": {"post": _take("importEvents", "Send history: created_ts is trusted as it stands", limits)},
            "/v1/validate": {"post": _take("validateEvents", "Check events; writes nothing", limits)},
            "/v1/schemas": {"get": _page("listSchemas", "Events that may be sent", _ref("SchemaList"))},
            "/v1/schemas/{name}/{version}": {"get": _schema_page()},
            "/healthz": {"get": _page("health", "Whether the process answers", _ref("Status"))},
            "/readyz": {"get": _page("readiness", "Whether Kafka answers", _ref("Status"), unready=True)},
            "/metrics": {"get": _metrics_page()},
            "/openapi.json": {"get": _page("openapi", "This document", {"type": "object"})},
        },
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}, "schemas": _schemas(limits)},
    }


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: Document) -> Document:
    return {"application/json": {"schema": schema}}


def _take(operation: str, summary: str, limits: Limits) -> Document:
    responses: Document = {"202": {"description": "What became of each event", "content": _content(_ref("Outcome"))}}
    for status, description in _REQUEST_ERRORS.items():
        responses[str(status)] = {"description": description, "content": _content(_ref("Refusal"))}
        if status in {429, 503}:
            responses[str(status)]["headers"] = _RETRY_AFTER
    return {
        "operationId": operation,
        "summary": summary,
        "description": f"At most {limits.body_bytes} bytes as sent and {limits.decompressed_bytes} decompressed "
        "(Content-Encoding gzip or zstd).",
        "security": [{"key": []}],
        "requestBody": {"required": True, "content": _content(_ref("Batch"))},
        "responses": responses,
    }


def _page(operation: str, summary: str, schema: Document, *, unready: bool = False) -> Document:
    responses: Document = {"200": {"description": summary, "content": _content(schema)}}
    if unready:
        responses["503"] = {"description": "It does not", "content": _content(schema)}
    return {"operationId": operation, "summary": summary, "responses": responses}


def _metrics_page() -> Document:
    content = {"text/plain": {"schema": {"type": "string"}}}
    responses = {"200": {"description": "Prometheus exposition format", "content": content}}
    return {"operationId": "metrics", "summary": "What the collector counts", "responses": responses}


def _schema_page() -> Document:
    page = _page("getSchema", "One event's JSON Schema, envelope included", {"type": "object"})
    page["responses"]["404"] = {"description": "There is no such schema", "content": _content(_ref("Refusal"))}
    page["parameters"] = [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "version", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}},
    ]
    return page


def _schemas(limits: Limits) -> Document:
    text: Document = {"type": "string"}
    problem = {"pointer": text, "expected": text, "got": {}, "message": text}
    rejected = {
        "index": {"type": "integer", "minimum": 0},
        "error_type": {"enum": list(EventError), "description": _listed(EVENT_MEANINGS)},
        "error_message": text,
        "errors": {"type": "array", "items": _closed(problem), "description": "Of /v1/validate only."},
    }
    refusal = {
        "error_type": {"enum": list(RequestError), "description": _listed(REQUEST_MEANINGS)},
        "error_message": text,
        "request_id": text,
    }
    listed = {"event_name": text, "event_version": {"type": "integer", "minimum": 1}}
    return {
        "Batch": {
            "type": "object",
            "required": ["events"],
            "additionalProperties": False,
            "properties": {
                "sent_ts": envelope()["$defs"]["timestamp"]
                | {"description": "The client's clock when it sends, anew at each attempt; RFC 3339 with a zone."},
                "events": {"type": "array", "maxItems": limits.events, "items": _ref("Event")},
            },
        },
        "Event": _event(),
        "Outcome": _closed(
            {
                "accepted": {"type": "integer", "minimum": 0},
                "rejected": {"type": "array", "items": _closed(rejected, optional=("errors",))},
            }
        ),
        "Refusal": _closed(refusal),
        "SchemaList": {"type": "array", "items": _closed(listed)},
        "Status": _closed({"status": text}),
    }


def _event() -> Document:
    """Return the envelope with its definitions written out; properties: see /v1/schemas/{name}/{version}."""
    whole = envelope()
    properties = {
        name: whole["$defs"][schema["$ref"].rpartition("/")[2]] | {"description": schema["description"]}
        if "$ref" in schema
        else schema
        for name, schema in whole["properties"].items()
    }
    names = ", ".join(sorted({contract.name for contract in builtin_catalogue()}))
    properties["event_name"] = properties["event_name"] | {"description": f"Built in: {names}."}
    kept = ("description", "type", "required", "anyOf", "additionalProperties")
    return {key: whole[key] for key in kept} | {"properties": properties}


def _closed(properties: Document, *, optional: tuple[str, ...] = ()) -> Document:
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "properties": properties,
    }


def _listed(meanings: Mapping[Any, str]) -> str:
    return "; ".join(f"`{error}`: {meaning}" for error, meaning in meanings.items())
