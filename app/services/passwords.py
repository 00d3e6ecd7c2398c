"""Passwords and other secrets: the rule that a password meets, argon2id, and hashes of tokens. Called by users, tokens.

Tokens are 256 random bits, so that plain SHA-256 is enough to store them; passwords are not, so they get argon2id with
OWASP's parameters (19 MiB, two passes), which bounds the memory that a burst of sign-ins can take.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import Invalid
from app.settings import get_settings
from app.translation import gettext as _

SHORTEST, LONGEST = 12, 200
FEWEST_CHARACTERS = 5  # different ones, so that neither "aaaaaaaaaaaa" nor "121212121212" passes
COMMON = ("password", "passwort", "motdepasse", "123456", "qwerty", "letmein", "welcome", "tutelage", "iloveyou")

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@lru_cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Whether it fits. Without a stored hash the same work is done in vain, so that timing tells nothing."""
    try:
        fits = _hasher.verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return fits and stored is not None


def needs_rehash(stored: str) -> bool:
    """Whether it was made with older parameters."""
    return _hasher.check_needs_rehash(stored)


def check_password(password: str, *names: str) -> None:
    """Raises Invalid with a sentence when the password is too easy to guess. `names` are the person's own."""
    if problem := password_problem(password, *names):
        raise Invalid(problem, errors=[{"field": "password", "message": problem}])


def password_problem(password: str, *names: str) -> str | None:
    if len(password) < SHORTEST:
        return _("Choose a password of at least %(fewest)s characters; a few unrelated words make a good one.") % {
            "fewest": SHORTEST
        }
    if len(password) > LONGEST:
        return _("The password is longer than %(most)s characters.") % {"most": LONGEST}
    if len(set(password)) < FEWEST_CHARACTERS:
        return _("The password repeats too few characters. A few unrelated words make a good one.")
    rest = password.lower()
    for word in (*COMMON, *(name.lower() for name in names if len(name) >= 3)):
        rest = rest.replace(word, "")
    if len(rest) < SHORTEST // 2:
        return _("The password is little more than a common word or a name. Add a few unrelated words.")
    return None


def new_token(prefix: str = "") -> str:
    """256 random bits, safe in a cookie, a header and an address."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def keyed_hash(kind: str, value: str) -> str:
    """A name for an account or an address that nobody without the installation's key can turn back."""
    digest = hmac.new(get_settings().key(), f"{kind}:{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)
    return f"{kind}:{digest.hexdigest()}"


def address_network(address: str) -> str:
    """The address, or for IPv6 the /64 that one household or machine commands."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)
