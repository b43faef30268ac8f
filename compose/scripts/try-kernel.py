"""Starts a kernel of the lab and has it evaluate an expression: try-kernel.py NAME EXPRESSION"""

import sys

from jupyter_client.manager import start_new_kernel


def main(name, expression):
    """What went wrong, None where the expression gave a result."""
    manager, client = start_new_kernel(startup_timeout=120, kernel_name=name)
    try:
        shown = []

        def take(message):
            if message["msg_type"] in {"display_data", "execute_result"}:
                shown.append(message)

        reply = client.execute_interactive(expression, output_hook=take, timeout=60)["content"]
        if reply["status"] != "ok":
            return "{}: {}".format(reply.get("ename"), reply.get("evalue"))
        return None if shown else "It showed no result."
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
