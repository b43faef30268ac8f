"""Turns a failure below HTTP into a Refused in our own words: a library's may hold addresses and logins."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl

import urllib3.exceptions

from dbmirror.http_client.refused import Cause, Refused

_TLS = ("certificate verify failed", "wrong version number", "handshake failure", "hostname mismatch")
_ERRNO = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "the network is unreachable",
    errno.EHOSTUNREACH: "the host is unreachable",
}


def refused(error: BaseException) -> Refused:
    """The Refused that an exception of urllib3, http.client, ssl or the system means."""
    inner = _inner(error)
    if isinstance(inner, Refused):
        return inner
    return _of_the_answer(error, inner) or _unreached(error, inner)


def _of_the_answer(error: BaseException, inner: BaseException) -> Refused | None:
    if isinstance(error, urllib3.exceptions.IncompleteRead) or isinstance(inner, http.client.IncompleteRead):
        return Refused("broke off in the middle of its answer", cause=Cause.CUT)
    if isinstance(inner, http.client.HTTPException) and not isinstance(inner, http.client.RemoteDisconnected):
        return Refused("answered with something that is no HTTP", cause=Cause.GARBAGE)
    if isinstance(error, urllib3.exceptions.InvalidChunkLength):
        return Refused("answered with something that is no HTTP", cause=Cause.GARBAGE)
    if type(error) is urllib3.exceptions.ProtocolError and inner is error:
        return Refused("broke off in the middle of its answer", cause=Cause.CUT)
    return None


def _unreached(error: BaseException, inner: BaseException) -> Refused:
    cause, why = Cause.CONNECTION, type(inner).__name__
    if isinstance(error, urllib3.exceptions.SSLError) or isinstance(inner, ssl.SSLError):
        text = str(inner).lower().replace("_", " ")
        what = next((words for words in _TLS if words in text), "the TLS handshake failed")
        return Refused(f"cannot be trusted: {what}", cause=Cause.TLS)
    if isinstance(error, urllib3.exceptions.ProxyError):
        cause, why = Cause.PROXY, "the proxy does not answer"
    elif isinstance(inner, socket.gaierror):
        passing = inner.errno == socket.EAI_AGAIN
        cause = Cause.CONNECTION if passing else Cause.DNS
        why = "its host name cannot be looked up" if passing else "its host name is unknown"
    elif isinstance(inner, TimeoutError) or isinstance(error, urllib3.exceptions.TimeoutError):
        cause, why = Cause.TIMEOUT, "no answer in time"
    elif isinstance(inner, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError):
        cause, why = Cause.CLOSED, "it closed the connection"
    elif isinstance(inner, OSError) and "Tunnel connection failed" in str(inner):
        cause, why = Cause.PROXY, "the proxy refuses to connect to it"
    elif isinstance(inner, OSError):
        why = _ERRNO.get(inner.errno or 0, why)
    return Refused(f"cannot be reached: {why}", cause=cause)


def _inner(error: BaseException) -> BaseException:
    """The innermost exception: urllib3 wraps the system's, in a few ways."""
    for _ in range(8):
        reason = getattr(error, "reason", None)
        arguments = [value for value in getattr(error, "args", ()) if isinstance(value, BaseException)]
        deeper = reason if isinstance(reason, BaseException) else (arguments[-1] if arguments else error.__cause__)
        if deeper is None:
            break
        error = deeper
    return error
