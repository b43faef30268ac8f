"""docs/commands.md: every command with every option, from what --help says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from dbmirror.cli import main
from dbmirror.errors import MEANINGS, ExitCode

HEAD = """# Commands

Every command and every option, as `--help` has them. `make golden` writes this page, a test checks it.

MIRROR is a `[mirrors.MIRROR]` section of `dbmirror.toml`, or else a Databricks profile of that name. With `--json`
stdout has one JSON document with its schema version, also for an error; stderr says what happens meanwhile.
`python -m dbmirror` is `dbmirror`. Tab completion, here for bash: `eval "$(_DBMIRROR_COMPLETE=bash_source dbmirror)"`.
"""


def commands(group: click.Group = main, path: str = "dbmirror") -> Iterator[tuple[str, click.Command]]:
    """Every command with its words, in the order of the overview."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def page() -> str:
    """The page."""
    found = dict(commands())
    overview = "\n".join(
        f"| [`{path}`](#{path.replace(' ', '-')}) | {command.get_short_help_str(200)} |"
        for path, command in found.items()
    )
    codes = "\n".join(f"| {code:d} | {MEANINGS[code]} |" for code in ExitCode)
    return "\n".join(
        [
            HEAD,
            f"| Command | |\n|---|---|\n{overview}\n",
            f"## Exit codes\n\n| Code | Meaning |\n|---|---|\n{codes}\n",
            *(_section(path, command) for path, command in found.items()),
        ]
    )


def _section(path: str, command: click.Command) -> str:
    # click keeps the first --help option that it made: with the settings of the program, whichever test asked first.
    context = click.Context(command, info_name=path, **main.context_settings)
    usage = f"```text\n{path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    options = (parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option))
    records = filter(None, (option.get_help_record(context) for option in options))
    rows = "\n".join(f"| `{_cell(names)}` | {_cell(text)} |" for names, text in records)
    return "\n".join([f"## {path}\n", usage, _prose(command.help or ""), f"| Option | |\n|---|---|\n{rows}\n"])


def _prose(text: str) -> str:
    """A docstring as Markdown: what click is told not to wrap is a block."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first.strip() != "\b":
            paragraphs.append(f"{paragraph}\n")
            continue
        title, _, lines = rest.partition("\n")
        if title.startswith("Example"):
            paragraphs.append(f"{title}\n\n```console\n{inspect.cleandoc(lines)}\n```\n")
        else:
            paragraphs.append(f"```text\n{rest}\n```\n")
    return "\n".join(paragraphs)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
