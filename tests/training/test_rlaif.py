"""A judge that knows what is better ranks so; a place says nothing; a killed job leaves the same rows."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import conftest as tiny
from training.ai_judge import AIJudge
from training.config import ConfigError, CritiqueConfig, RLAIFConfig
from training.constitution import LABELS, pair_question
from training.data import Codec, load_tokenizer
from training.job import Job, set_up
from training.models import load_causal_lm

PRINCIPLE = "the better one"
OTHERS = [word for word in tiny.WORDS if word != "kindly"]


def word_tokenizer() -> Any:
    """A word a token, so that a question is short: the words of the tiny world and those of the questions."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    frame = pair_question([{"role": "user", "content": "x"}], PRINCIPLE, "x", "x")[0]["content"]
    split = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    found = [word for word, _ in split.pre_tokenize_str(f"{frame} user assistant im_start im_end < | >")]
    known = ["<|end|>", "<|pad|>", "<unk>", "<|im_start|>", "<|im_end|>", *found, *tiny.WORDS]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(known))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = split
    tokenizer.add_special_tokens(["<|end|>", "<|pad|>", "<|im_start|>", "<|im_end|>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>")


def plant(tokenizer: Any, place: float) -> Any:
    """A GPT-2 of one layer whose weights are written by hand: it answers with the label before the word "kindly".

    Every token looks for "kindly" and reads from its position whether it stands before or after the second label, in
    questions whose words have these places. `place` is what it adds for (A) whatever is there.
    """
    import transformers

    codec = Codec(tokenizer)
    question = codec.prompt(pair_question(tiny.user("cat"), PRINCIPLE, "dog", "kindly"))
    second = question.index(tokenizer.convert_tokens_to_ids("kindly"))
    config: Any = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=1, n_positions=256, tie_word_embeddings=False,
        eos_token_id=0, pad_token_id=1, bos_token_id=None,
    )  # fmt: skip
    model: Any = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "ln_" in name and name.endswith("weight") else 0.0)
        words, places = model.transformer.wte.weight, model.transformer.wpe.weight
        # Features come as +1 and -1, so that every token has mean 0 and the same norm under layer normalisation.
        words[:, 2:4] = torch.tensor([1.0, -1.0])
        words[tokenizer.convert_tokens_to_ids("kindly"), :4] = torch.tensor([1.0, -1.0, 0.0, 0.0])
        places[:, 8:10] = torch.tensor([1.0, -1.0])
        places[:, 4:6] = torch.tensor([-1.0, 1.0])
        places[: second - 1, 4:6] = torch.tensor([1.0, -1.0])
        attention = model.transformer.h[0].attn
        attention.c_attn.bias[0] = 8.0  # every query asks
        attention.c_attn.weight[:2, 16] = torch.tensor([4.0, -4.0])  # "kindly" answers
        attention.c_attn.weight[4:6, 32] = torch.tensor([0.25, -0.25])  # before or after
        attention.c_proj.weight[0, 6:8] = torch.tensor([1.0, -1.0])
        for label, sign in (("A", 1.0), ("B", -1.0)):
            row = model.lm_head.weight[tokenizer.convert_tokens_to_ids(label)]
            row[6:10] = sign * torch.tensor([0.5, -0.5, place, -place])
    return model.eval()


def save_judge(folder: Path, place: float) -> Path:
    tokenizer = word_tokenizer()
    plant(tokenizer, place).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that knows which response says "kindly", and likes (A) a little whatever it holds."""
    return save_judge(tmp_path_factory.mktemp("judge"), 0.1)


def comparisons(count: int) -> list[dict[str, Any]]:
    """Four responses of a word each, one of them "kindly", at every place in turn."""
    rng, rows = random.Random(5), []
    for number in range(count):
        texts = rng.sample(OTHERS, 3)
        texts.insert(number % 4, "kindly")
        responses = [{"id": f"r{number}-{at}", "text": text} for at, text in enumerate(texts)]
        messages = tiny.user(rng.choice(OTHERS))
        rows.append({"id": f"c{number}", "prompt_id": f"p{number}", "messages": messages, "responses": responses})
    return rows


def settings(judge: Path, **changes: Any) -> dict[str, Any]:
    return {"judge": str(judge), "principles": [PRINCIPLE], "batch_prompts": 4, "threads": 1, **changes}


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return tiny.lines(folder / "rankings.jsonl")


# -- ranking -------------------------------------------------------------------------------------------------


def test_a_judge_that_knows_what_is_better_ranks_it_first(judge: Path, make_job: Any) -> None:
    folder = make_job(settings(judge), comparisons=comparisons(16))
    assert tiny.run("rlaif", folder) == 0
    rows = rows_of(folder)
    assert [row["id"] for row in rows] == [f"c{number}" for number in range(16)]
    for number, row in enumerate(rows):
        assert [rank == 1 for rank in row["ranks"]] == [at == number % 4 for at in range(4)]
        assert sorted(row["ranks"]) == [1, 2, 2, 2], "the others differ in nothing that it knows"
    assert all(row["ai"] is True and row["labeler"] == "ai:judge" for row in rows)
    metrics = tiny.result(folder)
    assert (metrics["rankings"], metrics["questions"]) == (16, 16 * 12)
    assert json.loads((folder / "run.json").read_text())["config"]["principles"] == [PRINCIPLE]


def test_a_liking_for_a_place_changes_no_ranking(judge: Path, make_job: Any, tmp_path: Path) -> None:
    biased = save_judge(tmp_path / "biased", 1.5)  # it answers (A) to nearly all
    folder = make_job(settings(biased), comparisons=comparisons(8))
    assert tiny.run("rlaif", folder) == 0
    metrics = tiny.result(folder)
    assert metrics["position/first"] > 0.95
    assert metrics["position/changed"] > 0.95
    for number, row in enumerate(rows_of(folder)):
        assert row["wins"][number % 4] == max(row["wins"])
        others = [row["win_probabilities"][i][j] for i in range(4) for j in range(4) if number % 4 not in (i, j)]
        assert others == pytest.approx([0.5] * 9, abs=1e-4)


def test_label_log_probabilities_are_the_models_own(judge: Path, make_job: Any) -> None:
    folder = make_job(settings(judge))
    job = Job(folder, RLAIFConfig.load(folder))
    found = AIJudge(job, set_up(job))
    model, codec = load_causal_lm(str(judge)), Codec(load_tokenizer(str(judge)))
    asked = [codec.prompt(pair_question(tiny.user(word), PRINCIPLE, "cat", word)) for word in ("dog", "big kindly")]
    for prompt, both in zip(asked, found.label_logprobs(asked, 4096), strict=True):
        for label, logprob in zip(LABELS, both, strict=True):
            tokens = codec.tokenizer.encode(label, add_special_tokens=False)
            with torch.no_grad():
                logits = model(torch.tensor([[*prompt, *tokens]])).logits[0].log_softmax(-1)
            alone = sum(float(logits[len(prompt) + at - 1, token]) for at, token in enumerate(tokens))
            assert logprob == pytest.approx(alone, abs=1e-4)


def test_the_same_pair_in_another_order_gets_the_same_probability(judge: Path, make_job: Any) -> None:
    # Every response at another place: what the judge thinks of places cancels, exactly.
    rows = comparisons(6)
    turned = [{**row, "responses": row["responses"][::-1]} for row in rows]
    first, second = make_job(settings(judge), "a", comparisons=rows), make_job(settings(judge), "b", comparisons=turned)
    assert tiny.run("rlaif", first) == tiny.run("rlaif", second) == 0
    for one, other in zip(rows_of(first), rows_of(second), strict=True):
        assert one["wins"] == pytest.approx(other["wins"][::-1], abs=1e-5)


def test_equal_responses_tie_and_cost_no_question(judge: Path, make_job: Any) -> None:
    rows = comparisons(1)
    rows[0]["responses"] = [{"id": at, "text": text} for at, text in enumerate(["cat", "kindly", "cat"])]
    folder = make_job(settings(judge), comparisons=rows)
    assert tiny.run("rlaif", folder) == 0
    row = rows_of(folder)[0]
    assert row["questions"] == 4
    assert row["ranks"] == [2, 1, 2]
    assert row["win_probabilities"][0][2] == 0.5


def test_every_principle_is_asked_where_all_are_wanted(judge: Path, make_job: Any) -> None:
    folder = make_job(
        settings(judge, principles=[PRINCIPLE, "the big one"], principles_per_prompt=0), comparisons=comparisons(2)
    )
    assert tiny.run("rlaif", folder) == 0
    assert [(row["principles"], row["questions"]) for row in rows_of(folder)] == [([0, 1], 24)] * 2


def test_a_killed_ranking_leaves_the_same_bytes_as_one_that_was_not(judge: Path, make_job: Any) -> None:
    config = settings(judge, micro_batch_tokens=256)
    whole = make_job(config, "whole", comparisons=comparisons(40))
    assert tiny.run("rlaif", whole) == 0
    broken = make_job(config, "broken", comparisons=comparisons(40))
    path = broken / "rankings.jsonl"
    for stop in (signal.SIGKILL, signal.SIGTERM):
        before = path.stat().st_size if path.exists() else 0
        child = tiny.Child(lambda: tiny.run("rlaif", broken), broken)
        while not child.poll() and not (path.exists() and path.stat().st_size > before):
            time.sleep(0.002)
        child.send_signal(stop)
        assert child.wait() in (-9, 75)
        with path.open("ab") as file:  # and a line that was cut off
            file.write(b'{"id": "c')
    assert 0 < len(path.read_bytes().splitlines()) < 40
    assert tiny.run("rlaif", broken) == 0
    assert path.read_bytes() == (whole / "rankings.jsonl").read_bytes()
    ours, theirs = tiny.result(broken), tiny.result(whole)
    assert ours == theirs
    assert tiny.run("rlaif", broken) == 0, "a finished folder ends at once"


def test_what_the_judge_cannot_read_whole_is_left_out_and_counted(
    judge: Path, make_job: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = comparisons(3)
    rows[1]["responses"][0]["text"] = "cat " * 250
    folder = make_job(settings(judge), comparisons=rows)
    assert tiny.run("rlaif", folder) == 0
    assert [row["id"] for row in rows_of(folder)] == ["c0", "c2"]
    assert tiny.result(folder)["comparisons/too_long"] == 1
    none = make_job(settings(judge), "none", comparisons=rows[1:2])
    assert tiny.run("rlaif", none) == 1
    assert "reads 256 tokens at most" in capsys.readouterr().err


@pytest.mark.parametrize(("principles", "words"), [([], "is empty"), (["Be kind.", " "], "number 2 is empty")])
def test_a_constitution_without_words_is_refused(principles: list[str], words: str) -> None:
    for config in (RLAIFConfig, CritiqueConfig):
        with pytest.raises(ConfigError, match=words):
            config.from_dict({"judge": "m", "principles": principles})


def test_two_ranks_rank_as_one_does(judge: Path, make_job: Any) -> None:
    alone = make_job(settings(judge), "alone", comparisons=comparisons(6))
    together = make_job(settings(judge, processes=2, device="cpu"), "together", comparisons=comparisons(6))
    assert tiny.run("rlaif", alone) == 0
    assert tiny.run_ranks("rlaif", together) == 0, (together / "log.txt").read_text()[-2000:]
    assert [row["ranks"] for row in rows_of(alone)] == [row["ranks"] for row in rows_of(together)]


# -- what becomes of the rows --------------------------------------------------------------------------------


def reward(taught: Path, **changes: Any) -> dict[str, Any]:
    return {"model": str(taught), "max_length": 128, "epochs": 1, "lr": 1e-2, "threads": 1, **changes}


def test_ai_rankings_of_weight_0_change_nothing_in_the_reward_model(taught: Path, make_job: Any) -> None:
    people = tiny.rankings(24)
    ai = [{**row, "id": f"ai-{row['id']}", "ai": True, "ranks": row["ranks"][::-1]} for row in people]
    shown = tiny.demonstrations(8)
    revised = [{**row, "id": f"ai-{row['id']}", "ai": True, "response": "kindly " * 9} for row in shown]
    plain = make_job(reward(taught), "plain", rankings=people, demonstrations=shown)
    mixed = make_job(reward(taught, ai_weight=0.0), "mixed", rankings=people + ai, demonstrations=shown + revised)
    used = make_job(reward(taught, ai_weight=0.5), "used", rankings=people + ai, demonstrations=shown)
    assert tiny.run("reward", plain) == tiny.run("reward", mixed) == tiny.run("reward", used) == 0
    first, second, third = (tiny.weights(folder) for folder in (plain, mixed, used))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)
    held_out = [tiny.result(folder)["pairs/validation"] for folder in (plain, used)]
    assert held_out[0] == held_out[1], "people's rankings alone measure"


def test_ai_demonstrations_weigh_what_the_config_says_in_sft(folders: dict[str, Path], make_job: Any) -> None:
    people = [row for row in tiny.demonstrations(16) if row["split"] == "train"]
    ai = [{**row, "id": f"ai-{row['id']}", "ai": True, "response": "kindly sings"} for row in people]
    config = {"model": str(folders["llama"]), "epochs": 1, "lr": 1e-3, "max_length": 128, "validation_share": 0,
              "max_prompt_tokens": 100, "threads": 1, "batch_size": 64}  # fmt: skip
    plain = make_job(config, "plain", demonstrations=people)
    none = make_job({**config, "ai_weight": 0.0}, "none", demonstrations=people + ai)
    half = make_job({**config, "ai_weight": 0.5}, "half", demonstrations=people + ai)
    said = make_job(config, "said", demonstrations=people + [{**row, "weight": 0.5} for row in ai])
    assert [tiny.run("sft", folder) for folder in (plain, none, half, said)] == [0, 0, 0, 0]
    first, second, third, fourth = (tiny.weights(folder) for folder in (plain, none, half, said))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(third[name], fourth[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)


# -- critique and revision -----------------------------------------------------------------------------------


def revising(taught: Path, **changes: Any) -> dict[str, Any]:
    return {
        "judge": str(taught), "principles": ["kindly", "please"], "batch_prompts": 4, "max_new_tokens": 12,
        "revisions": 2, "threads": 1, **changes,
    }  # fmt: skip


def wide(taught: Path, folder: Path) -> Path:
    """The taught policy with positions enough for a chain of questions in bytes."""
    shutil.copytree(taught, folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_position_embeddings": 2048}))
    return folder


def test_revisions_become_demonstrations_of_an_ai_with_every_step_kept(
    taught: Path, make_job: Any, tmp_path: Path
) -> None:
    asked = tiny.prompts(9)
    asked[0]["response"] = "the cat sat"
    asked[1]["split"] = "validation"
    folder = make_job(revising(wide(taught, tmp_path / "wide")), prompts=asked)
    assert tiny.run("critique", folder) == 0
    rows = {row["prompt_id"]: row for row in tiny.lines(folder / "revisions.jsonl")}
    assert list(rows) == [row["id"] for row in asked]
    assert rows["p0"]["draft"] == "the cat sat"
    assert all(len(row["steps"]) == 2 for row in rows.values())
    made = {row["prompt_id"]: row for row in tiny.lines(folder / "demonstrations.jsonl")}
    assert set(made) == {key for key, row in rows.items() if any(step["taken"] for step in row["steps"])}
    for key, row in made.items():
        assert row["ai"] is True
        assert row["response"] == [step["revision"] for step in rows[key]["steps"] if step["taken"]][-1]
    assert tiny.result(folder)["demonstrations"] == len(made)
    assert len({step["principle"] for row in rows.values() for step in row["steps"]}) == 2


def test_a_killed_revision_leaves_the_same_bytes_as_one_that_was_not(
    taught: Path, make_job: Any, tmp_path: Path
) -> None:
    config = revising(wide(taught, tmp_path / "wide"), batch_prompts=2)
    whole, broken = (make_job(config, name, prompts=tiny.prompts(10)) for name in ("whole", "broken"))
    assert tiny.run("critique", whole) == 0
    path = broken / "revisions.jsonl"
    for stop in (signal.SIGKILL, signal.SIGTERM):
        before = path.stat().st_size if path.exists() else 0
        child = tiny.Child(lambda: tiny.run("critique", broken), broken)
        while not child.poll() and not (path.exists() and path.stat().st_size > before):
            time.sleep(0.002)
        child.send_signal(stop)
        assert child.wait() in (-9, 75)
    assert tiny.run("critique", broken) == 0
    for name in ("revisions.jsonl", "demonstrations.jsonl"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()


def test_a_model_too_short_for_a_critique_is_named(
    taught: Path, make_job: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny.run("critique", make_job(revising(taught), prompts=tiny.prompts(2))) == 1
    assert "choose a judge with a longer context" in capsys.readouterr().err
