"""Languages and skills, of people and of prompts: how they are written, and what is wrong with them.

Asked by rules/prompts.py, services/users.py and the pages where they are typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from app.rules.languages import CODE, CODES
from app.translation import gettext as _

MOST = 50
BY_NAME = {name.lower(): code for name, code in CODES.items()}
SKILL = re.compile(r"[a-z0-9][a-z0-9 ._+#-]{0,39}")


def language_problem(language: Any) -> str | None:
    """Why it is no language code, as a sentence; None when it is one."""
    if isinstance(language, str) and len(language) <= 20 and CODE.fullmatch(language):
        return None
    return _("“%(code)s” is no language code: use de, en or pt-br.") % {"code": str(language)[:40]}


def skill_problem(skill: Any) -> str | None:
    if isinstance(skill, str) and SKILL.fullmatch(skill):
        return None
    sentence = _("“%(skill)s” is no skill: use 1 to 40 small letters, digits, spaces or . _ + # -.")
    return sentence % {"skill": str(skill)[:40]}


def skills_problem(skills: Any) -> str | None:
    """Why a prompt cannot need these; None when it can."""
    if not isinstance(skills, list) or len(skills) > MOST:
        return _("`skills` must be a list of at most %(most)s names.") % {"most": MOST}
    return next((problem for skill in skills if (problem := skill_problem(skill))), None)


def parse_list(typed: str) -> list[str]:
    """As people type them: parted by commas or lines, in small or big letters."""
    return tidy(re.split(r"[,;\n]", typed))


def tidy(names: Iterable[str]) -> list[str]:
    """Small letters, no blanks around, each once, in order."""
    return sorted({" ".join(name.lower().split()) for name in names} - {""})


def tidy_languages(names: Iterable[str]) -> list[str]:
    """The same with the names that are known turned into codes: German is de."""
    return sorted({BY_NAME.get(name, name) for name in tidy(names)})
