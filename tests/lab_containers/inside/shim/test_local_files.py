"""`dbutils.fs` and `dbutils.widgets` as far as they are this machine's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from dbmirror_shim.errors import Unavailable
from dbmirror_shim.shown import as_table
from dbmirror_shim.utilities import Utilities


@pytest.fixture
def dbutils() -> Utilities:
    return Utilities()


def test_a_folder_is_listed_as_databricks_does(dbutils: Utilities, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("12345")
    file, folder = dbutils.fs.ls(f"file:{tmp_path}")
    assert (file.path, file.name, file.size) == (f"file:{tmp_path}/a.txt", "a.txt", 5)
    assert (folder.name, folder.size, folder.isDir(), file.isFile()) == ("b/", 0, True, True)


def test_a_text_is_put_and_read(dbutils: Utilities, tmp_path: Path) -> None:
    dbutils.fs.put(f"file:{tmp_path}/new/a.txt", "grüße")
    assert dbutils.fs.head(f"file:{tmp_path}/new/a.txt") == "grüße"
    assert dbutils.fs.head(f"file://{tmp_path}/new/a.txt", 2) == "gr"


def test_a_file_is_not_overwritten_unasked(dbutils: Utilities, tmp_path: Path) -> None:
    dbutils.fs.put(f"file:{tmp_path}/a", "1")
    with pytest.raises(FileExistsError):
        dbutils.fs.put(f"file:{tmp_path}/a", "2")
    dbutils.fs.put(f"file:{tmp_path}/a", "2", overwrite=True)
    assert dbutils.fs.head(f"file:{tmp_path}/a") == "2"


def test_a_folder_is_copied_moved_and_removed_only_where_it_is_asked_for(dbutils: Utilities, tmp_path: Path) -> None:
    dbutils.fs.put(f"file:{tmp_path}/one/a", "1")
    with pytest.raises(IsADirectoryError):
        dbutils.fs.cp(f"file:{tmp_path}/one", f"file:{tmp_path}/two")
    dbutils.fs.cp(f"file:{tmp_path}/one", f"file:{tmp_path}/two", recurse=True)
    dbutils.fs.mv(f"file:{tmp_path}/two", f"file:{tmp_path}/three", recurse=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "three"]
    with pytest.raises(OSError, match="not empty"):
        dbutils.fs.rm(f"file:{tmp_path}/three")
    assert dbutils.fs.rm(f"file:{tmp_path}/three", recurse=True) is True
    assert dbutils.fs.rm(f"file:{tmp_path}/three") is False


def test_a_link_to_a_folder_is_removed_and_not_what_it_leads_to(dbutils: Utilities, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("1")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    dbutils.fs.rm(f"file:{tmp_path}/link", recurse=True)
    assert (tmp_path / "real" / "a").exists()


def test_a_widget_keeps_its_value_when_it_is_made_again(dbutils: Utilities) -> None:
    dbutils.widgets.text("rows", "10", "Rows")
    dbutils.widgets.text("rows", "20")
    assert dbutils.widgets.get("rows") == "10"
    assert dbutils.widgets.getAll() == {"rows": "10"}
    dbutils.widgets.removeAll()
    assert dbutils.widgets.getArgument("rows", "5") == "5"


def test_a_default_has_to_be_a_choice(dbutils: Utilities) -> None:
    with pytest.raises(ValueError, match="not one of its choices"):
        dbutils.widgets.dropdown("kind", "c", ["a", "b"])


def test_a_widget_that_is_not_there_is_named(dbutils: Utilities) -> None:
    with pytest.raises(Unavailable, match="'kind'"):
        dbutils.widgets.get("kind")


def test_a_spark_data_frame_is_shown_by_its_first_thousand_rows() -> None:
    class Frame:
        def __init__(self, rows: int) -> None:
            self.rows = rows

        def limit(self, rows: int) -> Frame:
            return Frame(min(rows, self.rows))

        def toPandas(self) -> str:  # noqa: N802
            return f"{self.rows} rows"

    assert as_table(Frame(5000)) == "1000 rows"


def test_anything_else_is_shown_as_it_is() -> None:
    assert as_table("text") == "text"
    assert as_table([1, 2]) == [1, 2]
    assert as_table([(1, 2)]) == [(1, 2)]
