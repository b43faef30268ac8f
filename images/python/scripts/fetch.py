"""Fetches a build's files by address and hash: fetch.py LIST FOLDER

Each line of LIST has a file's name, its SHA-256, its address and, where that matters, a user agent and the address that
it has when it is no longer there, with tabs between. Runs with `-I -S`, before any package is installed, and runs nothing
of what it fetches: the build's secrets are mounted here, and in no step that does. `dbmirror build` fetches the files
itself and hands them over, so that this is for a plain `docker build` alone.

Secrets, as files below /run/secrets and all of them optional: ca-bundle, netrc, proxy (NAME=VALUE, one a line).
"""

import base64
import hashlib
import netrc
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

SECRETS = "/run/secrets"
ATTEMPTS = 4


def secret(name):
    """The path of a secret; None where it is not given."""
    path = os.path.join(SECRETS, name)
    return path if os.path.isfile(path) and os.path.getsize(path) else None


def proxies():
    """Scheme to proxy, with the hosts to reach without one under `no`."""
    if not secret("proxy"):
        return {}
    with open(secret("proxy"), encoding="utf-8") as stream:
        pairs = (line.rstrip("\n").partition("=") for line in stream)
        found = {name.lower(): value for name, _, value in pairs if name.lower().endswith("_proxy")}
    return {name[: -len("_proxy")]: value for name, value in found.items() if value}


class Proxies(urllib.request.ProxyHandler):
    """As urllib's own, with the exceptions that the secret names instead of those of the environment."""

    def proxy_open(self, request, proxy, kind):
        if urllib.request.proxy_bypass_environment(request.host, {"no": self.proxies.get("no", "")}):
            return None
        return super().proxy_open(request, proxy, kind)


def authorization(url, logins):
    """The value of the header for the host of `url`, if there is a login for it."""
    found = logins.authenticators(urllib.parse.urlsplit(url).hostname or "") if logins else None
    if not found:
        return None
    return "Basic " + base64.b64encode(f"{found[0]}:{found[2]}".encode()).decode()


def fetch(name, sha256, url, agent, folder, opener, logins):
    """Write the file, or raise ValueError or OSError."""
    if os.path.basename(name) != name or name in {"", ".", ".."}:
        raise ValueError("it has no plain name")
    request = urllib.request.Request(url, headers={"User-Agent": agent, "Accept-Encoding": "identity"})
    header = authorization(url, logins)
    if header:
        # Unredirected: no other place that the server names gets it.
        request.add_unredirected_header("Authorization", header)
    digest = hashlib.sha256()
    with opener.open(request, timeout=60) as answer, open(os.path.join(folder, name), "wb") as stream:
        for piece in iter(lambda: answer.read(1 << 16), b""):
            digest.update(piece)
            stream.write(piece)
    if digest.hexdigest() != sha256:
        raise ValueError(f"it has the SHA-256 {digest.hexdigest()}, not {sha256}: hash mismatch")


def attempt(line, folder, opener, logins):
    """Why the file of `line` is not there; None where it is."""
    name, sha256, url, agent, elsewhere = [*line.rstrip("\n").split("\t"), "", ""][:5]
    reason = ""
    for number in range(ATTEMPTS):
        time.sleep(number)
        try:
            fetch(name, sha256, url, agent or "dbmirror", folder, opener, logins)
            return None
        except ValueError as error:
            return f"{name}: {error}"
        except urllib.error.HTTPError as error:
            if error.code == 404 and elsewhere:
                return attempt("\t".join((name, sha256, elsewhere, agent)), folder, opener, logins)
            reason = f"{name}: {error.code} {error.reason}"
            if error.code < 500 and error.code != 429:
                return reason
        except OSError as error:
            reason = f"{name}: {getattr(error, 'reason', error)}"
    return reason


def main():
    """Fetch all; the exit code says whether that went well."""
    listed, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    context = ssl.create_default_context(cafile=secret("ca-bundle"))
    opener = urllib.request.build_opener(Proxies(proxies()), urllib.request.HTTPSHandler(context=context))
    logins = netrc.netrc(secret("netrc")) if secret("netrc") else None
    with open(listed, encoding="utf-8") as stream, ThreadPoolExecutor(16) as pool:
        reasons = [reason for reason in pool.map(lambda line: attempt(line, folder, opener, logins), stream) if reason]
    for reason in reasons:
        print(f"dbmirror: could not fetch {reason}", file=sys.stderr)
    return 1 if reasons else 0


sys.exit(main())
