import hashlib
import zlib

from dbmirror.sandbox.driver.repository import make_repository, metrics


def test_the_commit_is_the_same_every_time() -> None:
    assert metrics().commit == metrics().commit == "505b3dd595fd914419012925fd7c8b5aede73f60"


def test_every_object_lies_under_the_hash_of_its_content() -> None:
    for path, content in metrics().files.items():
        if path.startswith("objects/") and path != "objects/info/packs":
            identity = path.removeprefix("objects/").replace("/", "")
            assert hashlib.sha1(zlib.decompress(content), usedforsecurity=False).hexdigest() == identity


def test_the_references_that_dumb_http_needs_name_the_commit() -> None:
    repository = make_repository({"a.txt": "a\n"}, tag="v1")
    lines = repository.files["info/refs"].decode().splitlines()
    assert lines == [f"{repository.commit}\trefs/heads/main", f"{repository.commit}\trefs/tags/v1"]
    assert repository.files["HEAD"] == b"ref: refs/heads/main\n"


def test_another_source_is_another_commit() -> None:
    assert make_repository({"a": "1"}, tag="v1").commit != make_repository({"a": "2"}, tag="v1").commit
