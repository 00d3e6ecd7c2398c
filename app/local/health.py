"""Is the port free, and does the web server answer? For app/local/supervisor.py."""

from __future__ import annotations

import errno
import http.client
import socket
import time

from app.local import StartError
from app.local.child import Child
from app.settings import Settings

ANSWER_SECONDS = 180.0


def port_is_free(host: str, port: int) -> bool:
    """Whether a server may listen there. Raises StartError where this machine has no such address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise StartError(f"TUTELAGE_HOST is {host}, which this machine cannot resolve: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind(address)
        except PermissionError as error:
            raise StartError(f"Port {port} needs more rights than we have: choose one above 1023.") from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise StartError(f"Cannot listen on {host}:{port}: {error.strerror}") from error
    return True


def await_page(web: Child, settings: Settings) -> None:
    """Return once /health answers 200."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        if answers(host, settings.port):
            return
        if not web.alive:
            raise StartError(f"The web server stopped at once ({web.log}):\n{web.last_words()}")
        if time.monotonic() > end:
            raise StartError(f"The web server did not answer within {ANSWER_SECONDS:.0f} s; see {web.log}")
        time.sleep(0.05)


def answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
