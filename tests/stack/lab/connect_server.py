"""A Spark Connect server of a few answers behind TLS, which keeps what its clients send; runs in the lab's container.

connect_server.py FOLDER: with `cert.pem` and `cert.key` in it. It writes `port` when it listens, and a line of JSON to
`asked` for every call. The token that it lets in stands in the file `token`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pyarrow
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

FOLDER = Path(sys.argv[1])
WANTED = ("authorization", "x-databricks-cluster-id")


class Service(base_pb2_grpc.SparkConnectServiceServicer):
    def noted(self, name, request, context):
        """Keep the call's login and refuse any other token than the file's; a session is the client's own."""
        metadata = dict(context.invocation_metadata())
        entry = {"call": name, "body": repr(request), **{key: metadata.get(key) for key in WANTED}}
        with (FOLDER / "asked").open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
        if metadata.get("authorization") != f"Bearer {(FOLDER / 'token').read_text().strip()}":
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


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(4))
    base_pb2_grpc.add_SparkConnectServiceServicer_to_server(Service(), server)
    pair = ((FOLDER / "cert.key").read_bytes(), (FOLDER / "cert.pem").read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    (FOLDER / "pid").write_text(str(os.getpid()))
    (FOLDER / "port").write_text(str(port))
    time.sleep(600)


if __name__ == "__main__":
    main()
