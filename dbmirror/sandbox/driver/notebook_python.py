"""The Python of a notebook context, on the driver: one command a line in, what it printed a line out, as JSON.

As a driver's own does it: state stays from command to command, the last expression is shown, what goes past `print` is
lost in a log, and of more than 50,000 characters the middle is left out (runtimes up to 16.4).
"""

from __future__ import annotations

import ast
import io
import json
import os
import signal
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

MOST_CHARACTERS = 50_000
SKIPPED = "\n\n*** WARNING: max output size exceeded, skipping output. ***\n\n"


def main() -> None:
    """Say the own process id, then answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(log, number)
    busy = False

    def interrupt(*_: object) -> None:
        if busy:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    state: dict[str, Any] = {"__name__": "__main__"}
    answers.write(f"{os.getpid()}\n")
    answers.flush()
    for line in sys.stdin:
        busy = True
        try:
            answer = run(json.loads(line), state)
        except KeyboardInterrupt:
            answer = {"cancelled": True}
        finally:
            busy = False
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run(source: str, state: dict[str, Any]) -> dict[str, Any]:
    """The results of one command, as commands/status states them."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            module = ast.parse(source)
            last = module.body.pop() if module.body and isinstance(module.body[-1], ast.Expr) else None
            exec(compile(module, "<command>", "exec"), state)  # noqa: S102 - what it is for
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "<command>", "eval"), state)  # noqa: S307
                if value is not None:
                    print(repr(value))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        summary = f"<span class='ansi-red-fg'>{type(error).__name__}</span>: {error}"
        return {"resultType": "error", "summary": summary, "cause": traceback.format_exc()}
    text = printed.getvalue()
    if len(text) <= MOST_CHARACTERS:
        return {"resultType": "text", "data": text}
    half = MOST_CHARACTERS // 2
    return {"resultType": "text", "data": text[:half] + SKIPPED + text[-half:], "truncated": True}


if __name__ == "__main__":
    main()
