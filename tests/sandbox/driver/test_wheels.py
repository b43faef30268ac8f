import base64
import csv
import hashlib
import io
import zipfile
from email import message_from_bytes

import pytest

from dbmirror.sandbox.driver import wheels


@pytest.mark.parametrize("make", [wheels.forecast, wheels.calendar, wheels.numbers])
def test_a_wheel_is_the_same_bytes_every_time(make: object) -> None:
    assert callable(make)
    assert make() == make()


def test_the_record_lists_every_file_with_its_hash() -> None:
    _, content = wheels.forecast()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        record = next(name for name in archive.namelist() if name.endswith("/RECORD"))
        rows = list(csv.reader(archive.read(record).decode().splitlines()))
        assert {row[0] for row in rows} == set(archive.namelist())
        for path, stated, size in rows:
            if path == record:
                continue
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(path)).digest()).rstrip(b"=").decode()
            assert (stated, size) == (f"sha256={digest}", str(len(archive.read(path))))


def test_the_private_wheel_has_a_data_file_and_a_command() -> None:
    name, content = wheels.forecast()
    assert name == "dbmirror_sandbox_forecast-1.4.0-py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("dbmirror_sandbox_forecast/data/outlook.txt")
        commands = archive.read("dbmirror_sandbox_forecast-1.4.0.dist-info/entry_points.txt").decode()
    assert "sandbox-forecast = dbmirror_sandbox_forecast:main" in commands


def test_a_local_version_is_in_the_name_and_in_the_metadata() -> None:
    name, content = wheels.numbers()
    assert name == "dbmirror_sandbox_numbers-2.0.1+local.7-py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        metadata = message_from_bytes(archive.read("dbmirror_sandbox_numbers-2.0.1+local.7.dist-info/METADATA"))
    assert metadata["Version"] == "2.0.1+local.7"
