"""The JSON API under /api/v1: what a person can do in the browser, a token can do here. Included by app.main."""

from __future__ import annotations

from app.routes.api import (
    ai_labels,
    assignments,
    checkpoints,
    exports,
    gold_items,
    guidelines,
    jobs,
    label_schemas,
    labels,
    members,
    positions,
    pretraining,
    projects,
    prompt_reports,
    prompts,
    qualification_attempts,
    qualification_reviews,
    qualifications,
    reliability,
    reviews,
    revisions,
    rounds,
    tokens,
    users,
    work,
    writing,
)

DESCRIPTION = """\
Send `Authorization: Bearer <token>`. A token has scopes: `label` (own assignments), `read` (rounds, checkpoints, jobs,
exports, lineage) and `admin` (everything else); it never allows more than the role of its person.

Errors are `application/problem+json` with a sentence in `detail`. Reading what is not for you is a 404; doing what is
not for you is a 403.
"""

NOUNS = (
    assignments,
    projects,
    members,
    guidelines,
    label_schemas,
    prompts,
    pretraining,
    prompt_reports,
    rounds,
    checkpoints,
    jobs,
    labels,
    revisions,
    reviews,
    exports,
    ai_labels,
    positions,
    users,
    tokens,
    writing,
    gold_items,
    reliability,
    work,
    qualifications,
    qualification_attempts,
    qualification_reviews,
)
