"""The ways in which a notebook context of a cluster fails, each with what to do about it."""

from __future__ import annotations

from dbmirror.hosts.interface import HostError

_BY_HAND = (
    "Where a notebook can be opened on the cluster: 'dbmirror snapshot MIRROR --cell' prints a cell to run there."
)


class ContextError(HostError):
    """Base of everything that goes wrong with commands that the workspace runs on a driver."""


class CommandsForbidden(ContextError):
    """The user's rights or the cluster's access mode do not permit commands."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(
            f"The workspace runs no command on the {name} for you: {words}.",
            remedy="It takes the permission 'Can attach to', and of a dedicated cluster being its user. " + _BY_HAND,
        )


class TooManyContexts(ContextError):
    """The cluster has as many contexts open as it may."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(
            f"The {name} has as many notebooks and contexts open as it may: {words}.",
            remedy="Detach notebooks that nobody uses from the cluster, and try again.",
        )


class ContextLost(ContextError):
    """The context is gone: the cluster stopped or restarted, or somebody cleared its state."""

    maybe_gone = True

    def __init__(self, name: str, words: str) -> None:
        super().__init__(
            f"The {name} lost the context that commands ran in: {words}.",
            remedy="Check that the cluster still runs, then try again: nothing was changed on it.",
        )


class CommandCancelled(ContextError):
    """Somebody cancelled the command in the workspace."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The command on the {name} was cancelled in the workspace.", remedy="Try again.")


class CommandRaised(ContextError):
    """The context's Python answered with an error."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(
            f"The Python of the {name} answered with an error: {words}.",
            remedy="If it says that a module or a right is missing, the cluster's access mode keeps notebooks from its "
            f"driver. {_BY_HAND}",
        )


class CommandLate(ContextError):
    """A command did not end in time; it was cancelled."""

    def __init__(self, name: str, what: str, seconds: float) -> None:
        super().__init__(
            f"On the {name}, {what} did not end within {seconds:g} s.", remedy="Try again when it is less busy."
        )


class AnswerGarbled(ContextError):
    """The answer is not what the program printed, also where it is asked for in small pieces."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"What the workspace gives back of the {name} is not what was printed there: {why}.",
            remedy=f"Try again; if it stays, something rewrites the output of commands. {_BY_HAND}",
        )
