"""What a real server writes down about requests holds no token of an invitation, nor one of the API."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.orm import Session

from app.access_log import without_secrets
from app.services import users
from app.settings import ROOT, get_settings
from tests.seed import make_user
from tests.setup.installation import free_port, until

PASSWORD = "four tall quiet horses"


@pytest.fixture(params=["uvicorn", "laptop"])
def server(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(address, log) of a server as an operator starts it, and as `make run` does."""
    port, log = free_port(), tmp_path / "server.log"
    started = {
        "uvicorn": ["uvicorn", "--factory", "app.main:create_app", "--port", str(port)],
        "laptop": ["app.local.serve"],
    }[request.param]
    environment = {**os.environ, "TUTELAGE_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *started], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()
    assert until(lambda: "running on http" in log.read_text() or process.poll() is not None)
    yield f"http://127.0.0.1:{port}", log
    process.terminate()
    process.wait(30)


def test_security_21_the_log_of_a_server_holds_no_token(server: tuple[str, Path], session: Session) -> None:
    address, log = server
    token = users.invite_user(session, make_user(session, "mara"), None).rsplit("/", 1)[1]
    session.commit()
    paths = [
        f"/invitations/{token}",
        f"{address}//invitations/{token}?from=mail",
        f"/sign-in?next=%2Finvitations%2F{token}",
    ]
    paths += ["/sign-in?token=tutelage_abcDEF-123_x"]
    with httpx.Client(base_url=address, headers={"Sec-Fetch-Site": "same-origin"}) as browser:
        statuses = [browser.get(path).status_code for path in paths]
        form = {"password": PASSWORD, "repeated": PASSWORD}
        accepted = browser.post(f"/invitations/{token}", data=form)
    assert (statuses[0], accepted.status_code) == (200, 303)
    assert until(lambda: '"POST /invitations/[left out] HTTP/1.1" 303' in log.read_text())
    written = log.read_text()
    assert '"GET /invitations/[left out] HTTP/1.1" 200' in written  # the line is there, without the secret
    assert token not in written
    assert "abcDEF" not in written
    assert get_settings().key().decode() not in written


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        ("/invitations/abc", "/invitations/[left out]"),
        ("/INVITATIONS/abc/more?x=1", "/INVITATIONS/[left out]/more?x=1"),
        ("/sign-in?next=%2finvitations%2fabc&a=b", "/sign-in?next=%2finvitations%2f[left out]&a=b"),
        ("/users?token=tutelage_a-b_c&x=y", "/users?token=[left out]&x=y"),
        ("/projects/village/label", "/projects/village/label"),
        ("/invitations/", "/invitations/"),
    ],
)
def test_only_the_secret_is_left_out_of_an_address(address: str, logged: str) -> None:
    assert without_secrets(address) == logged
