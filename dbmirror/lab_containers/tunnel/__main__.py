"""`python3 -m tunnel`: take the secrets over, give up root's rights, supervise until the container is stopped."""

from __future__ import annotations

import os
import pwd
import signal
import sys
import threading

from .private import become, take_over
from .settings import PRIVATE, SettingsInvalid, read_settings
from .state import say
from .supervisor import Supervisor

ACCOUNT = "lab"


def main() -> int:
    """The supervisor's whole life."""
    try:
        settings = read_settings(os.environ)
    except SettingsInvalid as error:
        say(f"The tunnel cannot start: {error}")
        return 2
    account = pwd.getpwnam(ACCOUNT)
    if os.geteuid() == 0:
        PRIVATE.chmod(0o700)
        os.chown(PRIVATE, account.pw_uid, account.pw_gid)
    take_over(account.pw_uid, account.pw_gid)
    become(account.pw_uid, account.pw_gid)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Supervisor(settings).run(stop.is_set)
    return 0


if __name__ == "__main__":
    sys.exit(main())
