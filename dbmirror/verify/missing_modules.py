"""Finds the distribution that a failed import misses, by the error's text."""

from __future__ import annotations

import re
from typing import Final

DISTRIBUTIONS_OF: Final[dict[str, tuple[str, ...]]] = {
    "Crypto": ("pycryptodome", "pycrypto"),
    "Cryptodome": ("pycryptodomex",),
    "IPython": ("ipython",),
    "MySQLdb": ("mysqlclient",),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow",),
    "apt": ("python-apt",),
    "apt_pkg": ("python-apt",),
    "attr": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "cairo": ("pycairo",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "databricks.sdk": ("databricks-sdk",),
    "dateutil": ("python-dateutil",),
    "dbus": ("dbus-python",),
    "distutils": ("setuptools",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "gi": ("pygobject",),
    "git": ("gitpython",),
    "google.protobuf": ("protobuf",),
    "google.rpc": ("googleapis-common-protos",),
    "grpc": ("grpcio",),
    "grpc_status": ("grpcio-status",),
    "jose": ("python-jose",),
    "jwt": ("pyjwt",),
    "ldap": ("python-ldap",),
    "magic": ("python-magic",),
    "mlflow": ("mlflow-skinny", "mlflow"),
    "mpl_toolkits": ("matplotlib",),
    "pkg_resources": ("setuptools",),
    "pptx": ("python-pptx",),
    "psycopg2": ("psycopg2", "psycopg2-binary"),
    "serial": ("pyserial",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "slugify": ("python-slugify",),
    "usb": ("pyusb",),
    "win32api": ("pywin32",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}
"""Modules whose distribution has another name (as the projects' own pages say); the longest dotted name counts."""

_MISSING = re.compile(r"No module named '?(?P<module>[A-Za-z_][A-Za-z0-9_.]*)'?")


def missing_module(error: str) -> str | None:
    """The module that `error`, the last line of a traceback, says is not there; None where it says another thing."""
    match = _MISSING.search(error)
    return match["module"].rstrip(".") if match else None


def distributions_of(module: str) -> tuple[str, ...]:
    """The PEP 503 names of the distributions that are known, or by their name are likely, to bring `module`."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        known = DISTRIBUTIONS_OF.get(".".join(parts[:end]))
        if known:
            return known
    names = (re.sub(r"[-_.]+", "-", "-".join(parts[:end])).lower().strip("-") for end in range(len(parts), 0, -1))
    return tuple(dict.fromkeys(name for name in names if name))
