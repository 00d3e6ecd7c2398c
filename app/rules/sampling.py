"""Which checkpoints write the K responses of a comparison. Asked by services/rounds.py before it orders a sampling."""

from __future__ import annotations


def sampling_plan(responses: int, policy: int, anchor: int | None) -> dict[int, int]:
    """How many of the `responses` each checkpoint writes.

    The current policy writes them all in the first round. Later one of three or more comes from the SFT model that it
    started from, so that every round's labels also say how far the policy has moved (Stiennon et al., C.1, mix in a
    fixed comparison for the same reason).
    """
    if anchor is None or anchor == policy or responses < 3:
        return {policy: responses}
    return {policy: responses - 1, anchor: 1}
