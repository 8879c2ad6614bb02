"""The control server: closed by default, to other hosts, other pages and those without the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from litestar.testing import TestClient

from mainspring.base.errors import UsageError
from mainspring.store.workspace import Workspace
from mainspring.web import token
from mainspring.web.app import build
from mainspring.web.overview import curve
from mainspring.web.pages import routes

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def workspace(project: Path) -> Workspace:
    return Workspace(project)


def client(workspace: Workspace, token_hash: str | None = None) -> TestClient:
    return TestClient(build(workspace, token_hash=token_hash), base_url="http://127.0.0.1")


def paths(workspace: Workspace) -> list[tuple[str, str]]:
    return [(route.path, method) for route in routes(workspace).routes for method in getattr(route, "methods", ["GET"])]


def test_every_route_asks_for_the_token(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSPRING_TOKEN", TOKEN)
    token_hash, _ = token.establish(workspace, "0.0.0.0")
    walked = paths(workspace)
    assert ("/", "GET") in walked
    with client(workspace, token_hash) as visitor:
        for path, method in [*walked, ("/nope", "GET"), ("/%2e%2e/secret", "GET"), ("/", "DELETE")]:
            answer = visitor.request(method, path.replace("{file_path:path}", "style.css"))
            assert answer.status_code == 401 or path == "/health", (path, method, answer.status_code)
        for wrong in ("Bearer wrong", "Basic abc", "Bearer", f"bearer {TOKEN}x"):
            assert visitor.get("/", headers={"Authorization": wrong}).status_code == 401
        assert visitor.get("/", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost.",
        "[::2]",
        "evil.example@localhost",
        "evil.example:80@localhost",
        "localhost:80:80",
        "localhost/x",
        "[localhost]",
        "[::1",
    ],
)
def test_other_hosts_are_refused(workspace: Workspace, host: str) -> None:
    with client(workspace) as visitor:
        assert visitor.get("/", headers={"Host": host}).status_code == 403


def test_other_origins_are_refused(workspace: Workspace) -> None:
    with client(workspace) as visitor:
        assert visitor.get("/", headers={"Origin": "https://evil.example"}).status_code == 403
        assert visitor.get("/", headers={"Origin": "null"}).status_code == 403
        assert visitor.get("/", headers={"Origin": "http://evil.example\\@localhost"}).status_code == 403
        assert visitor.get("/", headers={"Origin": "http://localhost:7203"}).status_code == 200


def test_every_answer_is_locked_down(workspace: Workspace) -> None:
    with client(workspace) as visitor:
        for path in ("/", "/api/overview", "/nope", "/static/style.css"):
            headers = visitor.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/style.css%00",
        "/static/%0astyle.css",
        f"/static/{'a' * 300}",
        f"/{'%F0%9F%98%80' * 100}",
    ],
)
def test_static_files_do_not_lead_elsewhere(workspace: Workspace, path: str) -> None:
    with client(workspace) as visitor:
        assert visitor.get(path).status_code == 404


def test_names_from_the_project_are_escaped(project: Path) -> None:
    (project / "mainspring.yaml").write_text("project: '<script>alert(1)</script>'\n")
    with client(Workspace(project)) as visitor:
        assert "<script>" not in visitor.get("/").text


def test_a_token_is_made_once_and_only_its_hash_is_kept(workspace: Workspace) -> None:
    assert token.establish(workspace, "127.0.0.1") == (None, None)
    expected, made = token.establish(workspace, "0.0.0.0")
    assert made is not None
    assert expected is not None
    assert token.matches(made, expected)
    assert token.establish(workspace, "0.0.0.0") == (expected, None)
    kept = workspace.state / "token.sha256"
    assert made not in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_short_token_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSPRING_TOKEN", "short")
    with pytest.raises(UsageError, match="fewer than"):
        token.establish(workspace, "127.0.0.1")


def test_a_constant_trend_lies_in_the_middle() -> None:
    assert curve([3.0, 3.0]) == "0.0,10.0 100.0,10.0"
