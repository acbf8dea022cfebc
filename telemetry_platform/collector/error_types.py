"""The closed list of reasons for which a request or an event is refused, each with what it means."""

from enum import StrEnum


class RequestError(StrEnum):
    """Why a whole request was refused; nothing of it is kept."""

    UNREADABLE_BODY = "unreadable_body"
    BODY_TOO_LARGE = "body_too_large"
    DECOMPRESSED_TOO_LARGE = "decompressed_too_large"
    TOO_MANY_EVENTS = "too_many_events"
    EVENT_TOO_LARGE = "event_too_large"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    UNKNOWN_KEY = "unknown_key"
    MISSING_RIGHT = "missing_right"
    OVER_QUOTA = "over_quota"
    SLOW_BODY = "slow_body"
    UNAVAILABLE = "unavailable"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"


class EventError(StrEnum):
    """Why one event was refused; it is kept as a reject with its original bytes."""

    UNREADABLE_EVENT = "unreadable_event"
    EVENT_TOO_LARGE = "event_too_large"
    TOO_DEEP = "too_deep"
    NUMBER_NOT_FINITE = "number_not_finite"
    INVALID_STRING = "invalid_string"
    UNKNOWN_EVENT = "unknown_event"
    SCHEMA_VIOLATION = "schema_violation"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    TOO_LATE = "too_late"
    CREATED_IN_FUTURE = "created_in_future"
    BEFORE_START_DATE = "before_start_date"
    UNKNOWN_GAME = "unknown_game"
    UNDECIDABLE = "undecidable"


REQUEST_MEANINGS: dict[RequestError, str] = {
    RequestError.UNREADABLE_BODY: "400: the body is no JSON object with `events`, or its encoding is broken",
    RequestError.BODY_TOO_LARGE: "413: the body has more bytes than are taken, as sent",
    RequestError.DECOMPRESSED_TOO_LARGE: "413: the body has more bytes than are taken, once decompressed",
    RequestError.TOO_MANY_EVENTS: "413: more events in one request than are taken",
    RequestError.EVENT_TOO_LARGE: "413: an event is too large to be kept even as a reject",
    RequestError.UNSUPPORTED_ENCODING: "415: Content-Encoding is neither gzip nor zstd",
    RequestError.UNKNOWN_KEY: "401: no key, an unknown one, or one that was revoked",
    RequestError.MISSING_RIGHT: "403: the key does not have the right to do this",
    RequestError.OVER_QUOTA: "429: the game sends more than its quota; Retry-After says when to send again",
    RequestError.SLOW_BODY: "408: the body did not arrive in time",
    RequestError.UNAVAILABLE: "503: Kafka cannot take the events now; send the same request again after Retry-After",
    RequestError.NOT_FOUND: "404: there is nothing at this path",
    RequestError.METHOD_NOT_ALLOWED: "405: the path does not answer this method",
}

EVENT_MEANINGS: dict[EventError, str] = {
    EventError.UNREADABLE_EVENT: "the event is no JSON object",
    EventError.EVENT_TOO_LARGE: "the event has more bytes than are taken",
    EventError.TOO_DEEP: "objects and arrays nest deeper than is taken",
    EventError.NUMBER_NOT_FINITE: "a number is NaN, infinite, or too large for any",
    EventError.INVALID_STRING: "a string is not valid UTF-8, or holds a lone surrogate or a NUL",
    EventError.UNKNOWN_EVENT: "no schema is registered for this event name and version",
    EventError.SCHEMA_VIOLATION: "the event does not fit its schema, or its batch's sent_ts is out of the years",
    EventError.AMOUNT_OUT_OF_RANGE: "a purchase, refund or ad impression is of more than 1,000,000 USD",
    EventError.TOO_LATE: "the event happened before the game's lateness horizon",
    EventError.CREATED_IN_FUTURE: "an imported event's created_ts is in the future",
    EventError.BEFORE_START_DATE: "the event happened before TELEMETRY_START_DATE, the first partition",
    EventError.UNKNOWN_GAME: "a record written to Kafka directly names no game whose registry entry can be read",
    EventError.UNDECIDABLE: "deciding about the event failed: a fault of the collector, whose log says where",
}
