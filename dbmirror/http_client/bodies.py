"""The body of an answer, piece by piece: decompressed, and never more than is allowed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from urllib3 import BaseHTTPResponse

from dbmirror.http_client.limits import Limits
from dbmirror.http_client.refused import Cause, Refused

_PIECE = 64 << 10


def raw_body(response: BaseHTTPResponse, limits: Limits) -> Iterator[bytes]:
    """The bytes as they were sent, as pip takes a file. Raises Refused where they are too many."""
    size = 0
    for piece in _pieces(response):
        size += len(piece)
        if size > limits.body:
            raise _too_large(limits)
        yield piece
        limits.wait()


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(_PIECE, decode_content=False)
    except ValueError as error:
        # urllib3 takes a chunk of less than no bytes for a length.
        raise Refused("answered with something that is no HTTP", cause=Cause.GARBAGE) from error


def unpacked_body(response: BaseHTTPResponse, limits: Limits) -> Iterator[bytes]:
    """The same, without the gzip or deflate of its Content-Encoding. Raises Refused for any other one."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        yield from raw_body(response, limits)
        return
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise Refused("answered in an encoding that it was not asked for", cause=Cause.GARBAGE)
    unpacker = zlib.decompressobj(wbits=47)  # reads the header of gzip and of zlib alike
    size = 0
    for packed in raw_body(response, limits):
        rest = packed
        while rest:
            if unpacker.eof:
                unpacker = zlib.decompressobj(wbits=47)
            try:
                piece = unpacker.decompress(rest, _PIECE)
            except zlib.error as error:
                raise Refused("answered with damaged gzip", cause=Cause.GARBAGE) from error
            size += len(piece)
            if size > limits.body:
                raise _too_large(limits)
            yield piece
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            limits.wait()
    # What the unpacker holds back is bounded by its window; a body without the end of its gzip was cut.
    while piece := b"" if unpacker.eof else unpacker.decompress(b"", _PIECE):
        size += len(piece)
        if size > limits.body:
            raise _too_large(limits)
        yield piece
    if not unpacker.eof:
        raise Refused("broke off in the middle of its answer", cause=Cause.CUT)


def _too_large(limits: Limits) -> Refused:
    return Refused(f"is larger than {limits.body} bytes", cause=Cause.TOO_LARGE)
