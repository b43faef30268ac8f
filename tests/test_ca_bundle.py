"""The CA bundle: where it is looked for, and what is no bundle."""

from pathlib import Path

import certifi
import pytest

from dbmirror.ca_bundle import LARGEST, TrustError, find_ca_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    first = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
    path.write_text(first[0] + first[1] + "\n")
    return path


def test_the_configured_bundle_counts_more_than_the_environment(bundle: Path, tmp_path: Path) -> None:
    assert find_ca_bundle(bundle, environment={"SSL_CERT_FILE": str(tmp_path / "other.pem")}) == bundle


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"])
def test_each_usual_variable_names_the_bundle(bundle: Path, variable: str) -> None:
    assert find_ca_bundle(environment={variable: str(bundle)}) == bundle


def test_ssl_cert_file_counts_more_than_pip_cert(bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(bundle.read_bytes())
    assert find_ca_bundle(environment={"PIP_CERT": str(other), "SSL_CERT_FILE": str(bundle)}) == bundle


def test_a_variable_that_names_nothing_is_passed_over(bundle: Path, tmp_path: Path) -> None:
    environment = {"SSL_CERT_FILE": str(tmp_path / "gone.pem"), "REQUESTS_CA_BUNDLE": str(tmp_path)}
    assert find_ca_bundle(environment={**environment, "PIP_CERT": str(bundle)}) == bundle
    assert find_ca_bundle(environment=environment) is None
    assert find_ca_bundle(environment={}) is None


def test_a_configured_bundle_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"gone\.pem"):
        find_ca_bundle(tmp_path / "gone.pem", environment={})


def test_a_file_without_a_certificate_is_refused_with_what_named_it(tmp_path: Path) -> None:
    path = tmp_path / "ca.der"
    path.write_bytes(b"\x30\x82\x01\x0a")
    with pytest.raises(TrustError, match=r"PIP_CERT.*no PEM certificate"):
        find_ca_bundle(environment={"PIP_CERT": str(path)})


def test_a_bundle_that_no_build_secret_can_hold_is_refused(bundle: Path) -> None:
    bundle.write_bytes(bundle.read_bytes() + b"#" * LARGEST)
    with pytest.raises(TrustError, match=str(LARGEST)):
        find_ca_bundle(bundle, environment={})
