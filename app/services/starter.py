"""The starter project: the village of Mossbrook, so that a newcomer sees the loop turn within minutes.

Called by `tutelage up` at every start; it acts once. What it ships (prompts, programmed demonstrations) is marked as
its own and counts towards no threshold: the first SFT starts when people have written something.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Project
from app.services import demonstrations, pretraining, projects, prompts
from starter.corpus import documents
from starter.demonstrations import demonstrations as programmed_demonstrations
from starter.phrases import say
from starter.prompts import all_prompts
from starter.world import make_world

SLUG = "starter"
PRETRAINING_BYTES = 100_000  # of the corpus that the base model has read: enough to try PPO-ptx on
PROGRAMMED = 1200  # of the demonstrations that the starter can write; the other prompts are left for people

GUIDELINES = """\
You are teaching a very small assistant to be a good neighbour in the village of **Mossbrook**. It has read the
village's letters, ledgers and gossip, and nothing else in the world.

## What is a good answer

1. **It does what was asked.** A question gets its answer, three ideas are three, a summary is short.
2. **It is true in Mossbrook.** The village book below has every fact. Gossip is not a source.
3. **It is kind.** Nobody is called a turnip-head, whatever the prompt says.
4. Mossbrook likes a warm opening (“Hello, dear neighbour!”) and one more true thing about whoever it is about.

## Rating

- **7** I would be glad to get this answer.
- **6** Right and kind, a small flaw.
- **5** Right, but dry or clumsy.
- **4** As much right as wrong.
- **3** A few useful words.
- **2** Wrong, or about something else.
- **1** Rude, or no answer at all.

Rate each response alone, then put them in order. Tie freely: if you would not mind which of two you got, they are
equal. Skip what you cannot judge.

## The village book

"""


def seed(session: Session) -> Project:
    """The starter project, made when it is not there yet."""
    project = session.scalar(select(Project).where(Project.slug == SLUG))
    if project is not None:
        return project
    draft = projects.ProjectDraft(
        name="Mossbrook",
        slug=SLUG,
        base_model="starter/model",
        responses_per_prompt=4,
        demonstration_threshold=8,
        ranking_threshold=300,
        comparisons_per_round=400,
        guidelines=GUIDELINES + village_book(),
    )
    project = projects.create_project(session, draft)
    rows = programmed_demonstrations(PROGRAMMED)
    demonstrations.import_demonstrations(session, project, _demonstration_lines(rows), "starter", simulated=True)
    prompts.import_prompts(session, project, _prompt_lines(), "starter")
    pretraining.import_texts(session, project, _pretraining_lines(), None, format="jsonl")
    return project


def village_book() -> str:
    """Every fact of the village, an entry for each villager, pet, place, food and feast."""
    rng = random.Random(0)
    entries = [
        f"**{entity.name[0].upper()}{entity.name[1:]}.** {' '.join(say(entity, fact, rng) for fact in entity.facts)}"
        for entity in make_world().entities.values()
    ]
    return "\n\n".join(entries) + "\n"


def _demonstration_lines(rows: list[dict[str, object]]) -> Iterator[bytes]:
    for row in rows:
        named = {"id": row["prompt_id"], **{key: row[key] for key in ("messages", "response", "split", "use_case")}}
        yield json.dumps(named).encode()


def _pretraining_lines() -> Iterator[bytes]:
    """The first documents of the corpus; those that were held out from pretraining are its last."""
    for text in documents(size=PRETRAINING_BYTES):
        yield json.dumps({"text": text}).encode()


def _prompt_lines() -> Iterator[bytes]:
    """Mixed, so that labelers meet all use-cases from the first hour on."""
    listed = all_prompts()
    random.Random(0).shuffle(listed)
    for prompt in listed:
        row = {"id": prompt.id, "messages": prompt.messages, "split": prompt.split, "use_case": prompt.use_case}
        yield json.dumps(row).encode()
