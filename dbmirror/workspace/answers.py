"""What the Clusters API answers, as it stands: the SDK's own types drop the values that they do not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dbmirror.foreign_text.redaction import foreign_line
from dbmirror.workspace.client import WorkspaceClient

Answer = Mapping[str, Any]

MOST_PAGES: Final = 1_000
"""Of the list of clusters: a page has 100 unless asked for fewer, and the largest workspaces some thousand clusters."""

LIST = "/api/2.1/clusters/list"
GET = "/api/2.1/clusters/get"


def ask(w: WorkspaceClient, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The document that `path` answers with. Raises ValueError where it is none; else what the SDK raises."""
    answer = w.api_client.do("GET", path, query=dict(query), headers=headers(w))
    if not isinstance(answer, dict):
        raise ValueError(path.rpartition("/api/")[2])  # noqa: TRY004 - an answer that is none of the API
    return answer


def headers(w: WorkspaceClient) -> dict[str, str]:
    """What the SDK's own calls send."""
    return {
        "Accept": "application/json",
        **({"X-Databricks-Workspace-Id": w.config.workspace_id} if w.config.workspace_id else {}),
    }


def each_cluster(w: WorkspaceClient) -> Iterator[Answer]:
    """Every cluster that clusters/list states, over all of its pages. Raises ValueError where they have no end."""
    query: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = ask(w, LIST, query)
        for cluster in page.get("clusters") or ():
            if not isinstance(cluster, dict):
                raise ValueError("clusters/list")  # noqa: TRY004 - an answer that is none of the API
            yield cluster
        token = page.get("next_page_token")
        if not token or token == query.get("page_token"):
            return
        query["page_token"] = str(token)
    raise ValueError("clusters/list")


def text(answer: Answer, name: str, *, most: int = 200) -> str:
    """The text `name` on one line, as far as it may be shown; empty where there is none, or it is no text."""
    value = answer.get(name)
    return foreign_line(value, most) if isinstance(value, str) else ""


def texts(answer: Answer, name: str) -> tuple[str, ...]:
    """The texts of the list `name`, unchanged."""
    value = answer.get(name)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def driver_address(answer: Answer) -> str:
    """The driver's public name, else its private address, as stated; empty where there is none."""
    driver = answer.get("driver")
    return text(driver, "public_dns") or text(driver, "private_ip") if isinstance(driver, dict) else ""
