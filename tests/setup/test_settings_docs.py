"""docs/settings.md tells the truth about app/settings.py."""

from __future__ import annotations

from app.settings import ROOT, Settings
from app.settings_table import markdown, rows


def test_the_page_is_what_the_settings_say() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == markdown(), "run `make settings`"


def test_every_setting_is_described() -> None:
    assert len(rows()) == len(Settings.model_fields)
    assert all(text.endswith(".") for _, _, text in rows())
