"""Numbers as the reader's language writes them: 12,940.5 for an Englishwoman, 12.940,5 for a German.

Filters of the templates, and called wherever a sentence holds a number. Rounding is the same in every language.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

from app.translation import SOURCE, gettext, language


def number(value: float | None, digits: int = 0) -> str:
    """12940 -> 12,940."""
    if value is None:
        return ""
    if language() == SOURCE:
        return f"{value:,.{digits}f}"
    return _decimal(f"{value:.{digits}f}", _with_digits("#,##0", digits))


def shortest(value: float) -> str:
    """12.5 -> 12.5, 75.0 -> 75: no digit that says nothing, nor a mark between thousands, so that forms can read it."""
    return f"{value:g}" if language() == SOURCE else _decimal(f"{value:g}", "0.######")


def percent(value: float | None, digits: int = 0) -> str:
    """0.75 -> 75 %."""
    if value is None:
        return ""
    if language() == SOURCE:
        return f"{100 * value:,.{digits}f} %"
    from babel.numbers import format_percent

    pattern = _with_digits(_percent_pattern(language()), digits)
    hundredths = Decimal(f"{100 * value:.{digits}f}")
    return format_percent(hundredths / 100, format=pattern, locale=language())


def size(count: int) -> str:
    """Bytes for people: 8.1 MB."""
    value, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return gettext("%(count)s bytes") % {"count": count} if unit == "bytes" else f"{number(value, 1)} {unit}"


def metric(value: Any, digits: int = 4) -> str:
    """A figure of a training run, of so many significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return number(value)
    mantissa, exponent, power = f"{value:.{digits}g}".partition("e")
    if language() == SOURCE or not Decimal(mantissa).is_finite():
        return mantissa + exponent + power
    return _decimal(mantissa, "0.##########") + exponent + power


def _decimal(written: str, pattern: str) -> str:
    from babel.numbers import format_decimal  # reads much, and English needs none of it

    return format_decimal(Decimal(written), format=pattern, locale=language())


@lru_cache
def _percent_pattern(code: str) -> str:
    from babel import Locale

    return str(Locale.parse(code).percent_formats[None].pattern)


def _with_digits(pattern: str, digits: int) -> str:
    """The pattern with so many digits behind the point."""
    head, zero, tail = pattern.rpartition("0")
    return f"{head}{zero}.{'0' * digits}{tail}" if digits else pattern
