"""Whole pages come compressed to who can read that; streams, downloads and pages with a one-time secret never do."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import brotli
import pytest
from fastapi.testclient import TestClient

from app.models import User

PACKED = {"Accept-Encoding": "gzip, deflate, br"}
UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress}


@pytest.fixture
def admin_page(client: TestClient, sign_in: Callable[[User], str], admin: Any) -> TestClient:
    sign_in(admin.user)
    return client


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br, zstd", "br"), ("gzip, deflate", "gzip"), ("br;q=0, gzip;q=0.5", "gzip")],
)
def test_a_page_is_compressed_for_a_browser(
    admin_page: TestClient, world: dict[str, Any], accepted: str, encoding: str
) -> None:
    with admin_page.stream("GET", "/projects/village/settings", headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(raw) < 6000
    assert UNPACK[encoding](raw).startswith(b"<!doctype html>")


def test_a_program_that_reads_neither_gets_plain_text(admin_page: TestClient, world: dict[str, Any]) -> None:
    answer = admin_page.get("/projects/village/settings", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content.startswith(b"<!doctype html>")


def test_the_page_that_shows_a_link_once_is_never_compressed(admin_page: TestClient, world: dict[str, Any]) -> None:
    """BREACH: text of somebody else's and a secret on one compressed page give the secret away by its length."""
    answer = admin_page.post(f"/users/{world['user_id']}/link", headers=PACKED)
    assert "/invitations/" in answer.text
    assert len(answer.content) > 1000
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/api/v1/jobs/{job_id}/events", "/projects/village/exports/demonstrations.jsonl", "/static/x.css"]
)
def test_streams_and_downloads_flow_as_they_are_made(
    admin_page: TestClient, admin: Any, world: dict[str, Any], path: str
) -> None:
    headers = PACKED | ({"Authorization": f"Bearer {admin.token}"} if path.startswith("/api") else {})
    with admin_page.stream("GET", path.format(**world), headers=headers) as answer:
        assert "content-encoding" not in answer.headers
        assert "text/html" not in answer.headers["content-type"]
