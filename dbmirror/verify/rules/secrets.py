"""The rule that no secret is in the image: environment, labels, history, files."""

from __future__ import annotations

import re
from typing import Final

from dbmirror.verify.evidence import Evidence
from dbmirror.verify.model import Severity
from dbmirror.verify.rules.rule import Result, failed, listed, passed

_NAME: Final = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|PRIVATE_KEY|ACCESS_KEY|API_?KEY|CREDENTIALS?)(_(ID|KEY|VALUE))?$", re.IGNORECASE
)
_VALUE: Final = re.compile(
    r"\bdapi[0-9a-f]{32}\b|\bAKIA(?![0-9A-Z]*EXAMPLE)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|"
    r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----[\\nr\s]*[A-Za-z0-9+/=]{40}|://[^/\s:@]+:[^/\s@]+@"
)
_ASSIGNED: Final = re.compile(
    r"\b(?P<name>[A-Za-z_]*(TOKEN|SECRET|PASSWORD|PASSWD|PRIVATE_KEY|ACCESS_KEY))=(?P<value>[^\s\"'$/][^\s]*)"
)
_SHOWN: Final = 12
_GENERATED: Final = re.compile(r"^/etc/ssh/ssh_host_\w+_key$|^/etc/ssl/private/ssl-cert-snakeoil\.key$")
"""Keys that Debian packages make when they are installed."""


def no_secrets(evidence: Evidence) -> Result:
    """L28: everyone who can pull the image can read all of it, every layer's history included."""
    image = evidence.image
    files = [secret for secret in evidence.system.secrets if secret.kind != "stopped"]
    found = [f"{secret.path} ({secret.kind})" for secret in files if not _GENERATED.match(secret.path)]
    found += [
        f"the variable {name}"
        for name, value in image.environment.items()
        if value and not value.startswith("/") and (_NAME.search(name) or _VALUE.search(value))
    ]
    found += [
        f"the label {name}"
        for name, value in image.labels.items()
        if value and (_NAME.search(name) or _VALUE.search(value))
    ]
    found += [
        f"step {number} of the history"
        for number, step in enumerate(evidence.history, start=1)
        if _VALUE.search(step) or _ASSIGNED.search(step)
    ]
    if found:
        listing = listed(found, most=_SHOWN)
        return failed(f"This looks like secrets in the image: {listing}. Use build secrets, and revoke these.")
    generated = [secret.path for secret in files]
    if generated:
        return failed(
            f"All containers share the keys {listed(generated)}; remove them in the layer that makes them.",
            severity=Severity.WARNING,
        )
    stopped = next((secret.path for secret in evidence.system.secrets if secret.kind == "stopped"), None)
    if stopped is not None:
        return failed(f"The files could not all be searched: {stopped}.", severity=Severity.WARNING)
    return passed("Nothing that looks like a secret in the variables, labels, history and files.")
