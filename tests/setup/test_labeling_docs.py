"""docs/labeling.md tells the truth: its keys are those of the pages, its words are on them, its pictures are there."""

from __future__ import annotations

import html
import re

from app import translation
from app.settings import ROOT

GUIDE = (ROOT / "docs" / "labeling.md").read_text()
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
KEYMAP = ROOT / "static" / "js" / "ranking" / "keymap.js"
RANKING_KEYS = ROOT / "templates" / "rankings" / "_keys.html"
OTHER_KEYS = ("demonstrations/write.html", "reviews/review.html")
KEY_LISTS = [RANKING_KEYS, *(ROOT / "templates" / name for name in OTHER_KEYS)]
PLACEHOLDER = re.compile(r"%\\?\(\w+\\?\)s")


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the first table after a line."""
    found, rows = GUIDE.split(heading, 1)[1], []
    for line in found.splitlines():
        if line.startswith("| ") and not line.startswith("| Key"):
            rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
        elif rows and not line.startswith("|"):
            break
    return rows


def test_the_keys_that_can_be_changed_are_those_of_the_code() -> None:
    delivered = dict(re.findall(r'(\w+): "(.)"', KEYMAP.read_text().split("DELIVERED = {")[1].split("}")[0]))
    told = re.findall(r"\('(\w+)', '(.)', _\('([^']+)'\), _\('([^']+)'\)\)", RANKING_KEYS.read_text())
    assert {command: key.lower() for command, key, *_ in told} == delivered
    assert rows_below("the keys that you can change:") == [[key, name, text] for _, key, name, text in told]


def test_the_guide_tells_all_that_the_lists_of_keys_tell() -> None:
    for file in KEY_LISTS:
        listed = re.findall(r'<dd>\{\{ _\("([^"]+)"\)', file.read_text())
        assert listed, f"{file.name} lists no keys"
        missing = [text for text in listed if f"| {text} |" not in GUIDE and f"| {text}:" not in GUIDE]
        assert not missing, f"not in docs/labeling.md, but in the list of {file.name}: {missing}"


def test_words_in_bold_are_the_words_of_the_application() -> None:
    patterns, said = words_of_pages(), set(re.findall(r"\*\*([^*]+)\*\*", GUIDE))
    unknown = [words for words in sorted(said) if not any(pattern.fullmatch(flat(words)) for pattern in patterns)]
    assert len(said) > 50
    assert not unknown, f"no page says {unknown}"


def words_of_pages() -> list[re.Pattern[str]]:
    """Every message of the pages and each marked part of one, with any word for a placeholder."""
    said: set[str] = set()
    for message in translation.read_catalog("de"):
        for text in message.id if isinstance(message.id, tuple) else [message.id]:
            said |= {re.sub(r"<[^>]+>", "", text), *re.split(r"<[^>]+>", text)}
    return [re.compile(PLACEHOLDER.sub("[^ ]+", re.escape(flat(html.unescape(text))))) for text in said if text.strip()]


def flat(text: str) -> str:
    return " ".join(text.replace("%%", "%").split())


def test_pictures_and_links_lead_to_files_and_every_picture_is_shown() -> None:
    shown = set()
    for file in TEXTS:
        for link in re.findall(r'\]\(([^)#\s]+)|src="([^"]+)"', file.read_text()):
            target = next(filter(None, link))
            if "://" not in target:
                path = (file.parent / target).resolve()
                assert path.exists(), f"{file.relative_to(ROOT)} names {target}, which is not there"
                shown.add(path)
    pictures = {path.resolve() for path in (ROOT / "docs" / "img").iterdir()}
    assert pictures <= shown, f"no text shows {sorted(path.name for path in pictures - shown)}"
