"""Which names say that what stands behind them is secret: of settings, options, headers and query parameters."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

# Words that make a name secret as a part of it (`X-Amz-Security-Token`, `client_secret`, `AccountKey`).
_WORD: Final = re.compile(
    r"[a-z]{0,20}(?:token|secret|password|passwd|passphrase)|pwd|signature|credentials?|cookie|jwt|j?sessionid|phpsessid"
    r"|(?:api|access|secret|private|account)key"
)
_WHOLE: Final = frozenset({"_auth", "x-jfrog-art-api"})
"""Names that no word of theirs shows to be secret: npm's, Artifactory's."""
_BEFORE_KEY: Final = re.compile(
    r"access|account|api|auth|private|secret|shared|master|signing|encryption|subscription|functions"
)
_PARAMETER: Final = re.compile(
    r"tok|sig|sec|pass|pwd|\Apw|key|cred|auth|jwt|session|\Asid|access|code|sas|bearer|api|x-amz|x-goog|x-ms|nonce",
    re.IGNORECASE,
)
"""What makes a name secret as a parameter alone, behind `?`, `&` or `;`: elsewhere it is a part of any word."""
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_LONGEST: Final = 200
"""Characters of a name's end that are looked at."""


def is_secret(name: str) -> bool:
    """Whether what a setting, an option or a header of this name holds is secret."""
    if name.lower() in _WHOLE:
        return True
    words = [word.lower() for word in _WORDS.findall(name[-_LONGEST:])]
    return any(map(_WORD.fullmatch, words)) or any(
        after == "key" and _BEFORE_KEY.fullmatch(before) for before, after in pairwise(words)
    )


def is_secret_parameter(name: str) -> bool:
    """Whether a parameter of an address, encoded or not, may be secret: rather one too many than one too few."""
    plain = unquote(unquote(name[-_LONGEST:]))
    return _PARAMETER.search(plain) is not None or is_secret(plain)
