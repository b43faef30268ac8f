"""Any registry that speaks the OCI protocol, in a company or on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from dbmirror.publish.registries.credential import ANONYMOUS
from dbmirror.publish.registries.kind import RegistryKind, Source
from dbmirror.publish.registries.target import RegistryTarget


class AnyRegistry(RegistryKind):
    """Some ask for no login at all."""

    example: ClassVar[str] = 'kind = "oci" and host = "registry.example"'

    def sources(self, target: RegistryTarget, environ: Mapping[str, str]) -> Iterator[tuple[str, Source]]:
        """No credential, at last."""
        yield "no credential", lambda: ANONYMOUS


KIND: Final = AnyRegistry()
