"""Jars of the sandbox's driver: empty archives under names as a runtime's jars have them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Final

_COORDINATES: Final = (
    "com.fasterxml.jackson.core__jackson-databind__2.15.2",
    "com.google.guava__guava__15.0",
    "io.delta__delta-sharing-spark_2.12__3.1.0",
    "org.apache.avro__avro__1.11.2",
    "org.apache.commons__commons-lang3__3.12.0",
    "org.scala-lang__scala-library_2.12__2.12.15",
    "org.slf4j__slf4j-api__2.0.7",
)
_OTHERS: Final = ("acme-udfs_2.12-1.0.jar", "----ws_3_5--core--core-hive-2.3__hadoop-3.2_2.12_deploy.jar")


def jars() -> Iterator[tuple[str, bytes]]:
    """The files of /databricks/jars as name and content: with Maven coordinates in the name, and without."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(
            zipfile.ZipInfo("META-INF/MANIFEST.MF", date_time=(2024, 1, 1, 0, 0, 0)), "Manifest-Version: 1.0\n"
        )
    content = stream.getvalue()
    for coordinates in _COORDINATES:
        yield f"----ws_3_5--mvn--hadoop3--{coordinates}.jar", content
    for name in _OTHERS:
        yield name, content
