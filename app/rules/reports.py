"""Why a labeler skips a task or reports its prompt. Asked by services/prompt_reports.py and the labeling pages."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_NOTE = 400  # with the reason it stands on the assignment, which holds 500


@dataclass(frozen=True)
class Reason:
    """`about_prompt`: an admin is told. The others speak of the labeler, and only send the task to somebody else."""

    key: str
    text: str
    about_prompt: bool = True
    needs_note: bool = False


REASONS = (
    Reason("unclear", "Unclear or ambiguous prompt"),
    Reason("knowledge", "Needs knowledge that I do not have", about_prompt=False),
    Reason("language", "Wrong language"),
    Reason("harmful", "Harmful or upsetting"),
    Reason("personal", "Personal data"),
    Reason("broken", "Broken text"),
    Reason("other", "Something else", needs_note=True),
)
BY_KEY = {reason.key: reason for reason in REASONS}
REPORTABLE = tuple(reason for reason in REASONS if reason.about_prompt)


def reason_problem(key: str, note: str | None, reasons: tuple[Reason, ...] = REASONS) -> str | None:
    """Why a reason cannot be taken, or None."""
    reason = next((each for each in reasons if each.key == key), None)
    if reason is None:
        return f"Choose one of these reasons: {', '.join(each.key for each in reasons)}."
    said = (note or "").strip()
    if reason.needs_note and not said:
        return "Say in a few words what it is."
    if len(said) > LONGEST_NOTE or "\x00" in said:
        return f"Give at most {LONGEST_NOTE} characters of text."
    return None


def kept_reason(key: str, note: str | None) -> str:
    """What the assignment keeps: the key, and what she said beside it."""
    said = (note or "").strip()
    return f"{key}: {said}" if said else key
