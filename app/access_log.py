"""What is written down about a request holds no secret: the token of an invitation is in its path until it is used.

app.main puts the filter on uvicorn's access log, whoever has started uvicorn; our own log lines ask `without_secrets`.
"""

from __future__ import annotations

import logging
import re

from app.services.tokens import PREFIX

# Also percent-encoded, as in `/sign-in?next=`. An API token has no business in an address, and is left out as well.
INVITATION = re.compile(r"((?:/|%2F)invitations(?:/|%2F)+)[^/?&%\s]+", re.IGNORECASE)
API_TOKEN = re.compile(re.escape(PREFIX) + r"[\w-]+")
LEFT_OUT = "[left out]"


def without_secrets(address: str) -> str:
    """A path with its query, fit for a log."""
    return API_TOKEN.sub(LEFT_OUT, INVITATION.sub(rf"\1{LEFT_OUT}", address))


class SecretFilter(logging.Filter):
    """Rewrites every text among the arguments of a line: uvicorn's are address, method, path, version and status."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(without_secrets(each) if isinstance(each, str) else each for each in record.args)
        return True


_filter = SecretFilter()


def keep_secrets_out() -> None:
    """Twice is the same as once."""
    logging.getLogger("uvicorn.access").addFilter(_filter)
