"""Prompts: enough of them, over eight use-cases, and nothing held out leaks into training."""

import random
import statistics
from collections import Counter

from starter.demonstrations import demonstrations, write
from starter.judge import judge
from starter.prompts import Prompt, all_prompts, find_prompt
from starter.tasks import USE_CASES


def asked_about(prompt: Prompt) -> tuple[str, ...]:
    """What a prompt is about, whatever its wording."""
    spec = prompt.spec
    if "relation" in spec:
        return ("fact", spec["entity"], spec["relation"])
    if spec["task"] in ("summary", "note"):
        return ("pair", spec["A"], spec["B"])
    return (spec["task"], spec["entity"], spec.get("place", ""), spec.get("guest", ""))


def test_counts() -> None:
    prompts = all_prompts()
    assert len(prompts) >= 2000
    assert len(all_prompts("evaluation")) == 400
    assert {prompt.use_case for prompt in prompts} == set(USE_CASES)
    assert min(Counter(p.use_case for p in prompts if p.split == "evaluation").values()) == 50
    assert len({prompt.id for prompt in prompts}) == len(prompts)


def test_what_is_held_out_is_asked_nowhere_else() -> None:
    held = {asked_about(p) for p in all_prompts("evaluation") if p.spec["task"] != "tone"}
    others = {asked_about(p) for p in all_prompts() if p.split != "evaluation" and p.spec["task"] != "tone"}
    assert not held & others


def test_prompt_is_found_by_its_text() -> None:
    for prompt in all_prompts()[::50]:
        found = find_prompt([dict(message) for message in prompt.messages])
        assert found is not None
        assert found.id == prompt.id


def test_chat_has_several_turns() -> None:
    assert all(len(p.messages) == 3 for p in all_prompts() if p.use_case == "chat")


def test_every_demonstration_is_good() -> None:
    by_id = {prompt.id: prompt for prompt in all_prompts()}
    rows = demonstrations()
    assert len(rows) >= 1000
    assert {row["split"] for row in rows} == {"train", "validation"}
    judged = [judge(by_id[str(row["prompt_id"])], str(row["response"])) for row in rows]
    assert min(j.score for j in judged) > 0.55
    assert min(j.truth for j in judged) == 1.0
    assert min(j.instruction for j in judged) > 0.99
    assert min(j.kindness for j in judged) == 1.0
    assert 0.45 < statistics.mean(j.greeting for j in judged) < 0.55
    assert 0.45 < statistics.mean(j.extras > 0 for j in judged) < 0.55


def test_demonstrations_are_deterministic() -> None:
    assert demonstrations(50) == demonstrations(50)
    prompt = all_prompts("evaluation")[0]
    assert write(prompt, random.Random(1)) == write(prompt, random.Random(1))
