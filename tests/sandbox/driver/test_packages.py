from pathlib import Path

import pytest

from dbmirror.sandbox.driver.packages import read_packages
from dbmirror.sandbox.errors import SandboxRefused


def listed(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "list.txt"
    path.write_text(text)
    return path


def test_the_projects_own_list_has_the_notebook_packages_at_the_runtimes_versions() -> None:
    pins = set(read_packages(None).pins)
    assert {"numpy==1.23.5", "pandas==1.5.3", "pyarrow==14.0.1", "ipykernel==6.25.1", "ipython==8.15.0"} <= pins
    assert {"traitlets==5.7.1", "grpcio==1.60.0", "grpcio-status==1.60.0", "protobuf==4.24.1"} <= pins


def test_comments_and_empty_lines_are_no_pins_and_spelling_is_kept(tmp_path: Path) -> None:
    packages = read_packages(listed(tmp_path, "# a list\n\nPyYAML==6.0  # odd\njupyter_client==7.4.9\n"))
    assert packages.pins == ("PyYAML==6.0", "jupyter_client==7.4.9")
    assert packages.text == "PyYAML==6.0\njupyter_client==7.4.9\n"


def test_packages_that_compile_bring_their_headers(tmp_path: Path) -> None:
    headers = read_packages(listed(tmp_path, "dbus-python==1.2.18\nPyGObject==3.42.1\npsycopg2==2.9.3\n")).headers
    assert {"libdbus-1-dev", "libgirepository1.0-dev", "libpq-dev", "gcc", "g++"} <= set(headers)


def test_the_own_list_needs_no_more_than_a_c_compiler() -> None:
    assert read_packages(None).headers == ("gcc", "libc6-dev", "python3-dev")


@pytest.mark.parametrize(
    "line",
    ["numpy", "numpy>=1", "numpy==", "numpy==1.0; rm -rf /", "--index-url==1", "a==1 b==2", "$(id)==1", "n==1\x000"],
)
def test_a_line_that_is_no_pin_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(SandboxRefused, match="line 2"):
        read_packages(listed(tmp_path, f"six==1.16.0\n{line}\n"))


def test_a_package_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxRefused, match="typing-extensions"):
        read_packages(listed(tmp_path, "typing_extensions==4.10.0\ntyping-extensions==4.11.0\n"))


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxRefused, match="cannot be read") as caught:
        read_packages(tmp_path / "absent.txt")
    assert caught.value.exit_code == 2
