"""What Ctrl-C looks like when it reaches the edge of the command line, and what the user is told then."""

from __future__ import annotations

import click

MESSAGE = "Interrupted: nothing is left half done; run the command again to go on."
EXIT_CODE = 130
"""128 and the number of SIGINT, as shells have it."""


def caused(error: BaseException) -> bool:
    """Whether a Ctrl-C caused `error`: it is what the signal became on its way here.

    Most are KeyboardInterrupt, or click.Abort at a question. But libraries wait at a `threading.Condition` (paramiko
    does for all that it reads), and where the signal comes in the instant in which it takes its lock back, releasing
    that lock raises a RuntimeError in place of the KeyboardInterrupt: `dbmirror.parallel` has more of it. Any other
    error that came up on the way is one of its own, and stays one: it may be why something is left half done.
    """
    on_the_way: BaseException | None = error
    while type(on_the_way) is RuntimeError:
        on_the_way = on_the_way.__context__
    return isinstance(on_the_way, (KeyboardInterrupt, click.Abort))
