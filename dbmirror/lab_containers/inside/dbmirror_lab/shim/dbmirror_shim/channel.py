"""A channel to the workspace's Spark that reads the lab's token at each call, so that a session outlives a token."""

from __future__ import annotations

from dbmirror_shim.errors import Unavailable
from dbmirror_shim.login import newest_token, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def renewing(address: str) -> Any:
    """A channel builder of the Spark client that is here (3.5 or later), for `sc://…` without a token."""
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415
    from pyspark.sql.connect import client  # type: ignore[import-not-found]  # noqa: PLC0415

    base: Any = getattr(client, "DefaultChannelBuilder", client.ChannelBuilder)

    class Renewing(base):  # type: ignore[misc]
        def toChannel(self) -> Any:  # noqa: N802  Spark's own name
            trusted = grpc.ssl_channel_credentials()
            credentials = grpc.composite_channel_credentials(trusted, grpc.metadata_call_credentials(authorize))
            if hasattr(self, "_secure_channel"):  # it has the client's interceptors, which 13.3 does not know
                return self._secure_channel(self.endpoint, credentials)
            return grpc.secure_channel(self.endpoint, credentials, self._channel_options)

    return Renewing(address)


def authorize(_: object, callback: Callable[[tuple[tuple[str, str], ...], None], None]) -> None:
    """Give a call the token of the lab's file. Without one the call is refused at once; an error would be retried."""
    token = newest_token()
    callback((("authorization", f"Bearer {token}"),) if token else (), None)


def tell_refusals(session: Any, sentence: str) -> None:
    """Let the session's client raise Unavailable with `sentence` where the workspace refuses the token of a call."""
    client = session.client
    handle = getattr(client, "_handle_error", None)
    if handle is None:
        return

    def raised(error: Exception) -> None:
        status = error.code().name if hasattr(error, "code") else ""
        # Only the workspace's own answer: what a query says of tokens is the query's.
        if status == "UNAUTHENTICATED" or (status == "PERMISSION_DENIED" and refused(error)):
            raise Unavailable(sentence) from None
        handle(error)

    client._handle_error = raised
