"""The client of a workspace: of the SDK's the parts that dbmirror needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from databricks.sdk.config import Config
from databricks.sdk.core import ApiClient
from databricks.sdk.service.compute import ClustersAPI, LibrariesAPI


@dataclass(frozen=True, slots=True)
class WorkspaceClient:
    """The SDK's own clients of these services, by their names in its `WorkspaceClient`, which does as well."""

    config: Config
    api_client: ApiClient = field(init=False)
    clusters: ClustersAPI = field(init=False)
    libraries: LibrariesAPI = field(init=False)

    def __post_init__(self) -> None:
        api = ApiClient(self.config)
        object.__setattr__(self, "api_client", api)
        object.__setattr__(self, "clusters", ClustersAPI(api))  # type: ignore[no-untyped-call]
        object.__setattr__(self, "libraries", LibrariesAPI(api))  # type: ignore[no-untyped-call]
