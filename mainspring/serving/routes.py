"""The route table of an endpoint: an immutable file that is swapped whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from mainspring.base.errors import Corrupted, InvalidData
from mainspring.base.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.store.workspace import Workspace

Role = Literal["champion", "canary", "shadow"]
FILE = "routes.json"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A version behind an endpoint: who it is, what part it plays, and where its artifact is."""

    version: str
    role: Role
    weight: float
    """Share of the requests that it answers (champion, canary), or that are copied to it (shadow)."""
    artifact: str


class RouteTable(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an endpoint needs to choose who answers; without routes it was ended, and nobody does.

    A newer table has a higher generation.
    """

    endpoint: str
    generation: int
    salt: str
    routes: list[Route]
    reason: str = ""
    override: str | None = None
    """Why the version in release was allowed past its gate, if it was."""

    def route(self, role: Role) -> Route | None:
        """Return the route with a role, or None.

        >>> table = RouteTable(endpoint="m", generation=1, salt="", routes=[
        ...     Route(version="1.0.0", role="champion", weight=1.0, artifact="0" * 32 + ".dir")])
        >>> table.route("champion").version, table.route("canary")
        ('1.0.0', None)
        """
        return next((route for route in self.routes if route.role == role), None)


def folder(workspace: Workspace) -> Path:
    """Return the folder whose sub-folders are the endpoints."""
    return workspace.state / "serving"


def path(workspace: Workspace, endpoint: str) -> Path:
    """Return where the route table of an endpoint is.

    Raises:
        InvalidData: the name cannot be the name of a folder.
    """
    if not endpoint or endpoint.startswith(".") or "/" in endpoint or "\\" in endpoint or "\0" in endpoint:
        raise InvalidData(f"'{endpoint}' cannot be an endpoint's name", hint="use letters, digits, '-', '_' and '.'")
    return folder(workspace) / endpoint / FILE


def files(workspace: Workspace) -> Iterator[Path]:
    """Give the route table of every endpoint that has one."""
    yield from sorted(folder(workspace).glob(f"[!.]*/{FILE}"))


def write(workspace: Workspace, table: RouteTable) -> None:
    """Put a table in place: readers see the old one or the new one, never a part."""
    write_atomic(path(workspace, table.endpoint), msgspec.json.format(msgspec.json.encode(table), indent=1))


def read(file: Path) -> RouteTable:
    """Read a table and check that it can be used.

    Raises:
        FileNotFoundError: there is none.
        Corrupted: it is not a route table, or one that answers nobody.
    """
    hint = "put it back from the records with `mainspring deploy`, `mainspring rollback` or by restarting the server"
    try:
        table = msgspec.json.decode(file.read_bytes(), type=RouteTable)
    except msgspec.MsgspecError as error:
        raise Corrupted(f"{file} is no route table: {error}", hint=hint, path=str(file)) from None
    problem = _problem(table, file.parent.name)
    if problem:
        raise Corrupted(f"{file} cannot be used: {problem}", hint=hint, path=str(file))
    return table


def _problem(table: RouteTable, endpoint: str) -> str | None:
    roles = [route.role for route in table.routes]
    if table.endpoint != endpoint:
        return f"it is of the endpoint '{table.endpoint}'"
    if roles and roles.count("champion") != 1:
        return "it needs exactly one champion"
    if len(set(roles)) != len(roles):
        return "a role occurs twice"
    if not all(0 <= route.weight <= 1 for route in table.routes):
        return "a weight is outside of 0 to 1"
    return None
