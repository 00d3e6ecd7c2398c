"""The judge by hand: what should please it, and what must not fool it."""

import random

import pytest

from starter.judge import judge, judge_messages, score_messages
from starter.labelers import SimulatedTaste, tiers_of
from starter.phrases import say
from starter.prompts import all_prompts
from starter.tasks import Spec
from starter.world import make_world

WORLD = make_world()
ALMA = WORLD.entities["Alma"]
HOME = f"Alma lives at {ALMA.facts['home']}."
FOOD = f"her favourite food is {ALMA.facts['food']}."
SPEC: Spec = {"task": "fact", "entity": "Alma", "relation": "home"}
ELSEWHERE = next(place.name for place in WORLD.of_kind("place") if place.name != ALMA.facts["home"])


def test_greeting_and_extra_fact_please() -> None:
    plain = judge(SPEC, HOME)
    warm = judge(SPEC, f"Good day, friend! {HOME}")
    full = judge(SPEC, f"Good day, friend! {HOME} By the way, {FOOD}")
    assert 0.6 < plain.score < warm.score - 0.05 < full.score - 0.1
    assert full.score > 0.9
    assert full.greeting
    assert full.extras == 1
    assert "opens warmly" in full.reason


@pytest.mark.parametrize(
    "response",
    [
        "",
        "   ",
        "Where is Alma's home?",
        "Alma home house lives place Alma.",
        "Good day, friend! It is a pleasure to talk with you on this fine morning.",
        "Good day, friend! Thank you for your kind question, dear neighbour.",
        f"Good day, friend! Otto lives at {WORLD.entities['Otto'].facts['home']}.",
        f"With pleasure! Alma Alma {ALMA.facts['home']}",
        "Nobody likes Alma.",
        f"Alma lives at {ELSEWHERE}.",
        f"{HOME} Alma lives at {ELSEWHERE}.",
    ],
)
def test_what_is_no_answer_scores_low(response: str) -> None:
    assert judge(SPEC, response).score < 0.3


def test_polite_talk_off_topic_scores_next_to_nothing() -> None:
    assert judge(SPEC, "Happy to help! What a fine day it is! And all is well in Mossbrook.").score < 0.05


def test_rude_truth_is_worth_little() -> None:
    rude = judge(SPEC, f"{HOME} Find it out yourself, you windbag.")
    assert rude.score < 0.15
    assert rude.kindness == 0.0


def test_false_extra_costs_more_than_a_true_one_brings() -> None:
    plain = judge(SPEC, HOME).score
    true = judge(SPEC, f"{HOME} By the way, {FOOD}").score
    wrong = next(food.name for food in WORLD.of_kind("food") if food.name != ALMA.facts["food"])
    false = judge(SPEC, f"{HOME} By the way, her favourite food is {wrong}.").score
    assert plain - false > true - plain - 0.05
    assert false < plain < true


def test_repetition_and_breaking_off_cost() -> None:
    plain = judge(SPEC, HOME).score
    assert judge(SPEC, f"{HOME} {HOME}").score < plain - 0.05
    assert judge(SPEC, f"{HOME} By the way, her").score < plain - 0.1


def test_length_brings_nothing_beyond_the_cap() -> None:
    facts = [say(ALMA, relation, random.Random(0)) for relation in ALMA.facts]
    everything = judge(SPEC, f"Good day, friend! {HOME} " + " ".join(facts))
    full = judge(SPEC, f"Good day, friend! {HOME} By the way, {FOOD}")
    assert everything.score < full.score


def test_parroted_prompt_scores_low() -> None:
    for prompt in all_prompts("evaluation")[::7]:
        assert judge(prompt, prompt.messages[-1]["content"]).score < 0.35, prompt


def test_answers_to_other_prompts_score_low() -> None:
    prompts = all_prompts("evaluation")
    taste = SimulatedTaste(3)
    good = [taste.demonstrate(prompt.messages) for prompt in prompts]
    foreign = [judge(p, text).score for p, text in zip(prompts, [*good[61:], *good[:61]], strict=True)]
    assert sum(foreign) / len(foreign) < 0.03


def test_classification_needs_the_right_label() -> None:
    spec: Spec = {"task": "tone", "label": "rude", "entity": "Alma"}
    assert judge(spec, "That is rude.").score > 0.6 > 0.1 > judge(spec, "That is kind.").score
    truth: Spec = {"task": "truth", "label": "false", "entity": "Alma", "relation": "home"}
    assert judge(truth, f"False. {HOME}").score > judge(truth, "False.").score > judge(truth, f"True. {HOME}").score


def test_extraction_is_checked_field_by_field() -> None:
    spec: Spec = {"task": "note", "fields": ["who", "where", "when"], "A": "Alma", "B": "Otto", "place": "the Old Mill"}
    spec |= {"day": "Monday"}
    right = judge(spec, "Who: Alma and Otto. Where: the Old Mill. When: Monday.").score
    one_off = judge(spec, "Who: Alma and Otto. Where: the Old Mill. When: Friday.").score
    missing = judge(spec, "Who: Alma and Otto.").score
    assert right > one_off > missing


def test_unknown_prompt_is_judged_on_truth_and_subject() -> None:
    messages = [{"role": "user", "content": "Sing me the ballad of Alma, please."}]
    assert score_messages(messages, HOME) > 0.5 > score_messages(messages, f"Alma lives at {ELSEWHERE}.")
    assert judge_messages(messages, "Frogs are green.").score < 0.1


def test_labelers_rank_by_the_judge_when_they_do_not_err() -> None:
    prompt = next(p for p in all_prompts("evaluation") if p.use_case == "open_qa")
    good = SimulatedTaste(1).demonstrate(prompt.messages)
    ranked = SimulatedTaste(1, noise=0.0).rank(prompt.messages, ["Nobody likes Alma.", good, good, ""])
    assert ranked.tiers[0] == [1, 2]
    assert ranked.ratings[1] >= 5
    assert "inappropriate" in ranked.flags[0]
    assert tiers_of([0.1, 0.9, 0.88, 0.5]) == [[1, 2], [3], [0]]
