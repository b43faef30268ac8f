"""Which host of the user's ssh config leads to a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmirror.hosts.cluster_aliases import alias_of, proxied_hosts

CLUSTER = "0101-120000-abcdefgh"
CLI = f'  ProxyCommand "/opt/my tools/databricks" ssh connect --proxy --cluster={CLUSTER} --profile demo\n'


def alias(home: Path, text: str, cluster: str = CLUSTER) -> str | None:
    path = home / ".ssh" / "config"
    path.write_text(text)
    path.chmod(0o600)
    return alias_of(cluster, proxied_hosts())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Host demo-ssh\n{CLI}", "demo-ssh"),
        (f"Host other\n  Port 1\nHost first second\n  User root\n{CLI}", "first"),
        (f"Host demo-ssh # the team's\n  PROXYCOMMAND=databricks ssh connect --cluster {CLUSTER}\n", "demo-ssh"),
        (f"Host *\n{CLI}", None),
        (f"Host demo-*\n{CLI}", None),
        (f"Match host demo-ssh\n{CLI}", None),
        (f"Host demo-ssh\n  # {CLUSTER}\n  ProxyCommand nc %h %p\n", None),
        (f"Host demo-ssh\n  ProxyJump bastion\n{CLI}", None),
        (f"Host demo-ssh\n  ProxyCommand none\nHost demo-ssh\n{CLI}", None),
        (f"Host demo-ssh\n  ProxyCommand databricks ssh connect --cluster={CLUSTER}x\n", None),
        ("", None),
    ],
)
def test_a_host_is_found_that_openssh_would_reach_with_a_program_for_this_very_cluster(
    home: Path, text: str, found: str | None
) -> None:
    assert alias(home, text) == found


def test_it_is_found_in_an_included_file(home: Path) -> None:
    (home / ".ssh" / "databricks").write_text(f"Host demo-ssh\n{CLI}")
    (home / ".ssh" / "databricks").chmod(0o600)
    assert alias(home, "Include databricks\n") == "demo-ssh"


def test_a_config_that_others_can_write_names_none(home: Path) -> None:
    (home / ".ssh" / "databricks").write_text(f"Host demo-ssh\n{CLI}")
    (home / ".ssh" / "databricks").chmod(0o666)
    assert alias(home, "Include databricks\n") is None


def test_nothing_is_run(home: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    command = f"  ProxyCommand touch {ran} --cluster={CLUSTER}\n"
    assert alias(home, f"Host demo-ssh\n{command}Match exec 'touch {ran}'\n  User x\n", "0202-000000-other") is None
    assert alias(home, f"Host demo-ssh\n{command}") == "demo-ssh"
    assert not ran.exists()
