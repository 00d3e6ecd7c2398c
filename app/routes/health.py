"""GET /health: whether this process can serve, for the supervisor, Docker and load balancers."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text

from app.security import SessionDep

router = APIRouter()


@router.get("/health")
def show_health(session: SessionDep) -> dict[str, str]:
    """200 when the database answers; otherwise the error handlers make it a 503."""
    session.execute(text("SELECT 1"))
    return {"status": "ok"}
