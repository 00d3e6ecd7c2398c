"""The web server of a laptop: `python -m app.local.serve`, started by app/local/supervisor.py.

It imports the application while the database is still starting, which takes as long, and listens once it is told to
by a line on standard input. Should its parent die meanwhile, there is no such line, and it ends.
"""

from __future__ import annotations

import sys

import uvicorn

from app.main import create_app
from app.settings import get_settings


def main() -> None:
    application = create_app()
    if sys.stdin.readline():
        settings = get_settings()
        uvicorn.run(
            application,
            host=settings.host,
            port=settings.port,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=75,
        )


if __name__ == "__main__":
    main()
