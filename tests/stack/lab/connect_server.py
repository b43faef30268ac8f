"""A workspace of a few answers behind TLS, which keeps what its clients send; runs in the lab's container.

connect_server.py FOLDER: with `cert.pem` and `cert.key` in it. It writes `port` when it listens, and a line of JSON to
`asked` for every call. The token that it lets in stands in the file `token`. As a workspace does, it has one port for
Spark Connect, which is HTTP/2, and for the REST interface, whose every answer is the cluster's runtime.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import pyarrow
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

FOLDER = Path(sys.argv[1])
WANTED = ("authorization", "x-databricks-cluster-id")


def noted(name, request, headers):
    """Keep the call's login; whether its token is the file's."""
    entry = {"call": name, "body": repr(request), **{key: headers.get(key) for key in WANTED}}
    with (FOLDER / "asked").open("a") as stream:
        stream.write(json.dumps(entry) + "\n")
    return headers.get("authorization") == f"Bearer {(FOLDER / 'token').read_text().strip()}"


class Service(base_pb2_grpc.SparkConnectServiceServicer):
    def noted(self, name, request, context):
        """Refuse any other token than the file's; a session is the client's own."""
        if not noted(name, request, dict(context.invocation_metadata())):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid access token.")

    def AnalyzePlan(self, request, context):  # noqa: N802  Spark's own names, here and below
        self.noted("AnalyzePlan", request, context)
        answer = base_pb2.AnalyzePlanResponse(session_id=request.session_id)
        answer.spark_version.version = "3.5.0"
        return answer

    def Config(self, request, context):  # noqa: N802
        self.noted("Config", request, context)
        return base_pb2.ConfigResponse(session_id=request.session_id)

    def ReleaseExecute(self, request, context):  # noqa: N802
        self.noted("ReleaseExecute", request, context)
        return base_pb2.ReleaseExecuteResponse(session_id=request.session_id)

    def ExecutePlan(self, request, context):  # noqa: N802
        """Every query has one answer: the numbers 0, 1 and 2."""
        self.noted("ExecutePlan", request, context)
        table = pyarrow.table({"id": [0, 1, 2]})
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        answer = base_pb2.ExecutePlanResponse(session_id=request.session_id, operation_id=request.operation_id)
        answer.response_id = "1"
        answer.arrow_batch.row_count = 3
        answer.arrow_batch.data = sink.getvalue().to_pybytes()
        yield answer
        done = base_pb2.ExecutePlanResponse(session_id=request.session_id, operation_id=request.operation_id)
        done.response_id = "2"
        done.result_complete.SetInParent()
        yield done


async def rest(reader, writer):
    """Answer one request of the REST interface."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    taken = noted("REST", first, headers)
    answer = {"spark_version": "15.4.x-scala2.12"} if taken else {"error_code": 403, "message": "Invalid access token."}
    body = json.dumps(answer)
    head = (
        f"HTTP/1.1 {'200 OK' if taken else '403 Forbidden'}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    )
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    await writer.drain()
    writer.close()


async def carried(reader, writer):
    """Carry bytes one way until they end."""
    with suppress(OSError):  # the client went away
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    writer.close()


async def main() -> None:
    server = grpc.server(ThreadPoolExecutor(4))
    base_pb2_grpc.add_SparkConnectServiceServicer_to_server(Service(), server)
    behind = server.add_insecure_port("127.0.0.1:0")
    server.start()

    async def answered(reader, writer):
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            with suppress(asyncio.IncompleteReadError):  # it looked at the certificate only
                await rest(reader, writer)
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", behind)
        await asyncio.gather(carried(reader, inner_writer), carried(inner_reader, writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(FOLDER / "cert.pem", FOLDER / "cert.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    front = await asyncio.start_server(answered, "127.0.0.1", 0, ssl=context)
    (FOLDER / "pid").write_text(str(os.getpid()))
    (FOLDER / "port").write_text(str(front.sockets[0].getsockname()[1]))
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main())
