"""Why a labeler skips a task or reports its prompt. Asked by services/prompt_reports.py and the labeling pages."""

from __future__ import annotations

from dataclasses import dataclass

from app.translation import gettext as _
from app.translation import mark

LONGEST_NOTE = 400  # with the reason it stands on the assignment, which holds 500


@dataclass(frozen=True)
class Reason:
    """`about_prompt`: an admin is told. The others speak of the labeler, and only send the task to somebody else."""

    key: str
    said: str
    about_prompt: bool = True
    needs_note: bool = False

    @property
    def text(self) -> str:
        """In the words of the reader."""
        return _(self.said)


REASONS = (
    Reason("unclear", mark("Unclear or ambiguous prompt")),
    Reason("knowledge", mark("Needs knowledge that I do not have"), about_prompt=False),
    Reason("language", mark("Wrong language")),
    Reason("harmful", mark("Harmful or upsetting")),
    Reason("personal", mark("Personal data")),
    Reason("broken", mark("Broken text")),
    Reason("other", mark("Something else"), needs_note=True),
)
BY_KEY = {reason.key: reason for reason in REASONS}
REPORTABLE = tuple(reason for reason in REASONS if reason.about_prompt)


def reason_problem(key: str, note: str | None, reasons: tuple[Reason, ...] = REASONS) -> str | None:
    """Why a reason cannot be taken, or None."""
    reason = next((each for each in reasons if each.key == key), None)
    if reason is None:
        listed = ", ".join(each.key for each in reasons)
        return _("Choose one of these reasons: %(listed)s.") % {"listed": listed}
    said = (note or "").strip()
    if reason.needs_note and not said:
        return _("Say in a few words what it is.")
    if len(said) > LONGEST_NOTE or "\x00" in said:
        return _("Give at most %(most)s characters of text.") % {"most": LONGEST_NOTE}
    return None


def kept_reason(key: str, note: str | None) -> str:
    """What the assignment keeps: the key, and what she said beside it."""
    said = (note or "").strip()
    return f"{key}: {said}" if said else key
