"""Text on its way to a browser, smaller: Brotli where it is understood, else gzip. For pages.py and static_files.py."""

from __future__ import annotations

import gzip

import brotli

# A ranking page of nine responses: gzip at 6 takes as long as Brotli at 5 and gives a twentieth more; higher levels of
# either take ten times as long for a hundredth.
BROTLI_QUALITY = 5
GZIP_LEVEL = 6


def choose_encoding(accepted: str) -> str | None:
    """The better of the encodings that an Accept-Encoding header names; None where it names neither."""
    named = {part.partition(";")[0].strip(): part.partition(";")[2] for part in accepted.lower().split(",")}
    return next((name for name in ("br", "gzip") if name in named and named[name].strip() != "q=0"), None)


def pack(plain: bytes, encoding: str) -> bytes:
    """`plain` in an encoding that `choose_encoding` gave."""
    if encoding == "br":
        packed: bytes = brotli.compress(plain, mode=brotli.MODE_TEXT, quality=BROTLI_QUALITY)
        return packed
    return gzip.compress(plain, GZIP_LEVEL, mtime=0)
