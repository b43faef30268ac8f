"""Of the Databricks SDK only what is needed is imported, and whoever wants the rest gets it."""

from __future__ import annotations

import subprocess
import sys


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_client_is_made_without_the_services_that_it_does_not_need() -> None:
    code = (
        "import sys\nimport dbmirror.workspace.profiles, dbmirror.workspace.start_cluster\n"
        "print(sorted(n for n in sys.modules if n.startswith('databricks.sdk.service.') and '._' not in n))"
    )
    services = _python(code)
    assert "databricks.sdk.service.compute" in services
    assert services.count("databricks.sdk.service.") <= 3, (
        "the installed SDK's layout is another one: look at light_sdk"
    )


def test_the_whole_sdk_is_there_for_whoever_asks_and_is_the_same() -> None:
    code = (
        "import dbmirror.workspace.clusters as ours\nfrom databricks.sdk import WorkspaceClient, AccountClient\n"
        "from databricks.sdk import errors\nimport databricks.sdk.service.jobs, databricks.sdk as sdk\n"
        "from databricks.sdk.service.compute import ClusterDetails\n"
        "print(ours.ClusterDetails is ClusterDetails, errors.NotFound is ours.NotFound, sdk.WorkspaceClient.__module__)"
    )
    assert _python(code) == "True True databricks.sdk"


def test_an_sdk_that_was_imported_before_is_left_as_it_is() -> None:
    code = (
        "import databricks.sdk as sdk\nimport dbmirror.workspace.clusters\nprint(sys.modules['databricks.sdk'] is sdk)"
    )
    assert _python("import sys\n" + code) == "True"


def test_an_sdk_of_another_layout_is_imported_plainly() -> None:
    code = (
        "import dbmirror.workspace.light_sdk as light, sys\nlight.NEEDED = ('gone.py',)\n"
        "import databricks.sdk.config\nprint('databricks.sdk.service.jobs' in sys.modules)"
    )
    assert _python(code) == "True"


def test_a_name_that_the_sdk_lacks_is_an_error_as_in_every_module() -> None:
    code = (
        "import dbmirror.workspace.profiles, databricks.sdk\n"
        "try:\n    databricks.sdk.nothing\nexcept AttributeError as error:\n    print(error)"
    )
    assert "has no attribute 'nothing'" in _python(code)
