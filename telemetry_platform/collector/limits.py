"""Bodies within bounds: read, decompressed and refused before they cost memory."""

import io
import zlib

import zstandard

from telemetry_platform.collector.error_types import RequestError

_GZIP = 31
_LARGEST_WINDOW = 1 << 25
_GZIP_MEMBERS = 64


class RefusedRequest(Exception):
    """A request that gets `status` and a reason instead of an acknowledgement."""

    def __init__(
        self,
        status: int,
        error_type: RequestError,
        message: str,
        *,
        retry_after: int | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message
        self.retry_after = retry_after
        self.allow = allow


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a Content-Encoding, stopping at `limit` bytes: a small body can stand for gigabytes."""
    try:
        if encoding in {"", "identity"}:
            plain = body
        elif encoding == "gzip":
            plain = _gunzip(body, limit)
        elif encoding == "zstd":
            decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
            plain = decompressor.stream_reader(io.BytesIO(body), read_across_frames=True).read(limit + 1)
        else:
            raise RefusedRequest(
                415, RequestError.UNSUPPORTED_ENCODING, f"Content-Encoding {encoding!r} is neither gzip nor zstd."
            )
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise RefusedRequest(400, RequestError.UNREADABLE_BODY, f"The body is not valid {encoding}: {error}.") from None
    if len(plain) > limit:
        raise RefusedRequest(
            413,
            RequestError.DECOMPRESSED_TOO_LARGE,
            f"The decompressed body is larger than {limit} bytes: send less at once.",
        )
    return plain


def _gunzip(body: bytes, limit: int) -> bytes:
    parts, size, rest = [], 0, body
    while rest and size <= limit:
        if len(parts) == _GZIP_MEMBERS:
            # Each member copies all that follows it: many empty ones would hold up every other request.
            raise EOFError(f"it has more than {_GZIP_MEMBERS} members")
        member = zlib.decompressobj(_GZIP)
        part = member.decompress(rest, limit + 1 - size)
        parts.append(part)
        size += len(part)
        if not member.eof:
            if size <= limit:
                raise EOFError("it ends early")
            break
        rest = member.unused_data
    return b"".join(parts)


def depth_of(document: object) -> int:
    """How deep objects and arrays nest; a scalar has depth 0."""
    deepest, level = 0, [document]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        deepest += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return deepest
