"""Opens a mirror for a command: its options as choices, its questions on the terminal, its progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbmirror.cli.options import derived_mirror
from dbmirror.cli.output import Output
from dbmirror.clones.agreements import Claim
from dbmirror.config import ConfigError, LoadedConfig, load_config
from dbmirror.hosts.host_key import Fingerprint
from dbmirror.pipeline.cluster_access import PATIENCE, Questions
from dbmirror.pipeline.driver_ways import Way
from dbmirror.pipeline.mirror import Choices, Mirror
from dbmirror.pipeline.mirror_names import require_known
from dbmirror.processes.temporary import clear_left_behind

if TYPE_CHECKING:
    from dbmirror.workspace.clusters import ClusterState
    from dbmirror.workspace.mirrorable import ClusterSummary, Fits


def choices_of(
    *,
    cluster: str | None = None,
    switch_cluster: bool = False,
    via: str | None = None,
    start_cluster: bool = False,
    timeout: float = PATIENCE,
    accept_host_key: bool = False,
    known_hosts: Path | None = None,
    whitelist: bool = False,
    base: str | None = None,
    trust: tuple[str, ...] = (),
    ca_bundle: Path | None = None,
    refresh: bool = False,
    no_capture: bool = False,
    flavour: str | None = None,
    keep_going: bool = False,
    source: Path | None = None,
    runtime: str | None = None,
) -> Choices:
    """A command's options, by the names that click gives them, as the choices of one run."""
    from dbmirror.filters.flavour import Flavour

    return Choices(
        cluster=cluster,
        switch_cluster=switch_cluster,
        via=Way(via) if via else None,
        start_cluster=start_cluster,
        timeout=timeout,
        accept_host_key=accept_host_key,
        known_hosts=known_hosts,
        whitelist=whitelist,
        base=base,
        trusted=trust,
        ca_bundle=ca_bundle,
        refresh=refresh,
        capture=not no_capture,
        flavour=Flavour(flavour) if flavour else None,
        keep_going=keep_going,
        source=source,
        runtime=runtime,
    )


@contextmanager
def opened(
    output: Output, name: str, config_file: Path | None, *, dry_run: bool = False, **options: Any
) -> Iterator[Mirror]:
    """The mirror `name`, with its progress shown, for a command's options (see `choices_of`)."""
    choices, loaded = choices_of(**options), load_config(config_file)
    if choices.source is None and choices.runtime is None:
        require_known(name, loaded)
    _tell_derived(output, loaded)
    clear_left_behind()
    with (
        output.observing() as observer,
        Mirror(
            name, loaded, choices=choices, observer=observer, questions=questions(output), dry_run=dry_run
        ) as mirror,
    ):
        yield mirror
    if dry_run:
        output.say("Nothing was written: this was a dry run.")


def _tell_derived(output: Output, loaded: LoadedConfig) -> None:
    """Say what a mirror is called whose profile has another name. Raises ConfigError where a section has that name."""
    named = derived_mirror()
    if named is None:
        return
    section = loaded.config.mirrors.get(named.mirror)
    if section is not None and section.profile not in {None, named.profile}:
        raise ConfigError(
            f"The profile {named.profile} would have the mirror {named.mirror}, which {loaded.origin} makes one of the "
            f"profile {section.profile}.",
            remedy=f"Add a [mirrors.NAME] section of another NAME with profile = '{named.profile}'.",
        )
    output.say(
        f"The mirror of the profile {named.profile} is called {named.mirror}: its folder is "
        f"{loaded.mirror_folder(named.mirror)}."
    )


def questions(output: Output) -> Questions:
    """Asks where somebody can answer; where nobody can, there are no questions."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Questions()

    def host_key(fingerprint: Fingerprint) -> bool:
        output.say(f"First contact with {fingerprint.name} at {fingerprint.address}. Its host key is:")
        output.say(f"    {fingerprint}")
        return output.confirm("Is that the driver's key?")

    def start(state: ClusterState) -> bool:
        return output.confirm(f"{state.cluster.cluster_name} is {state.state.lower()}. Start it?")

    def claim(about: Claim) -> bool:
        output.say(about.text)
        return output.confirm("Use it?")

    def cluster(clusters: Sequence[ClusterSummary], fits: Fits) -> ClusterSummary | None:
        from dbmirror.cli.cluster_tables import numbered_clusters

        numbered = {str(number): each for number, each in enumerate(filter(fits, clusters), start=1)}
        table = numbered_clusters(numbered, clusters)
        chosen = output.choose(table, "The number of the cluster that is meant", tuple(numbered))
        return numbered[chosen] if chosen is not None else None

    return Questions(host_key=host_key, start=start, claim=claim, cluster=cluster)
