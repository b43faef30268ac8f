"""What paramiko raises of a connection that breaks, or of packets that a hostile server made to break it."""

from __future__ import annotations

import struct
from typing import Final

import paramiko
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

SSH_FAULTS: Final = (
    paramiko.SSHException,
    EOFError,
    OSError,
    struct.error,
    InvalidSignature,
    UnsupportedAlgorithm,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
"""Its own errors, and what its thread came upon in the server's packets (text that is no UTF-8, numbers that are none):
paramiko raises that as it is where the connection is waited for."""
