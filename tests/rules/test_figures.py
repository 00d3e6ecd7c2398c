"""Numbers are written as the reader's language writes them, and rounded alike in every language."""

from __future__ import annotations

import pytest

from app import figures
from app.translation import languages, speaking

HARD = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("written", "english", "german"),
    [
        (lambda: figures.number(12940), "12,940", "12.940"),
        (lambda: figures.number(1234.56, 1), "1,234.6", "1.234,6"),
        (lambda: figures.number(-0.5, 2), "-0.50", "-0,50"),
        (lambda: figures.number(2.675, 2), "2.67", "2,67"),  # the nearest of what is stored
        (lambda: figures.number(None), "", ""),
        (lambda: figures.percent(0.125, 1), "12.5 %", f"12,5{HARD}%"),
        (lambda: figures.percent(0.125), "12 %", f"12{HARD}%"),
        (lambda: figures.percent(12.5), "1,250 %", f"1.250{HARD}%"),
        (lambda: figures.percent(None), "", ""),
        (lambda: figures.shortest(12.5), "12.5", "12,5"),
        (lambda: figures.shortest(75.0), "75", "75"),
        (lambda: figures.shortest(1234.5), "1234.5", "1234,5"),
        (lambda: figures.size(999), "999 bytes", "999 Byte"),
        (lambda: figures.size(8_123_456), "8.1 MB", "8,1 MB"),
        (lambda: figures.metric(0.123456), "0.1235", "0,1235"),
        (lambda: figures.metric(0.5, 3), "0.5", "0,5"),
        (lambda: figures.metric(0.00001234), "1.234e-05", "1,234e-05"),
        (lambda: figures.metric(12345), "12,345", "12.345"),
        (lambda: figures.metric(float("nan")), "nan", "nan"),
        (lambda: figures.metric(True), "True", "True"),
    ],
)
def test_a_number_is_written_as_the_reader_writes_it(written, english: str, german: str) -> None:  # type: ignore[no-untyped-def]
    assert written() == english
    with speaking("de"):
        assert written() == german


@pytest.mark.parametrize("code", languages())
def test_every_language_of_the_interface_writes_numbers(code: str) -> None:
    with speaking(code):
        said = [figures.number(1234.5, 1), figures.percent(0.5, 2), figures.metric(0.25), figures.size(10**7)]
    assert all(any(sign.isdigit() for sign in each) for each in said)
