from __future__ import annotations

from dbmirror.sandbox.registry.faults import Fault, Faults


def test_a_fault_means_some_requests_and_no_others() -> None:
    faults = Faults()
    faults.add(Fault(method="PATCH|PUT", path=r"/uploads/", status=507))
    assert faults.take("PATCH", "/v2/a/blobs/uploads/1") is not None
    assert faults.take("PATCHED", "/v2/a/blobs/uploads/1") is None
    assert faults.take("PUT", "/v2/a/manifests/1") is None


def test_a_fault_is_over_after_its_times() -> None:
    faults = Faults()
    faults.add(Fault(status=503, times=2))
    faults.add(Fault(status=429))
    statuses = [fault.status for fault in (faults.take("GET", "/v2/") for _ in range(4)) if fault]
    assert statuses == [503, 503, 429, 429]


def test_faults_can_be_taken_back() -> None:
    faults = Faults()
    faults.add(Fault(status=503))
    faults.clear()
    assert faults.take("GET", "/v2/") is None
