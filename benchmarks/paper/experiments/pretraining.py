"""(e) PPO-ptx undoes the regression on pretraining text."""

from __future__ import annotations

from benchmarks.paper.experiment import Claim, Experiment, Result
from benchmarks.paper.experiments.answers import answers_of, beats
from benchmarks.paper.lab import BASE, Lab, corpus
from benchmarks.paper.measure import mean, ratio, ratio_gap
from benchmarks.village import spread
from starter.build import VALIDATION_DOCUMENTS
from training.data import load_tokenizer

LOSS = "loss on held-out documents, nats a token"


def run(lab: Lab) -> Result:
    """The loss of each model on documents that no model was trained on, and what ptx costs in preference."""
    full = lab.policy("ppo-ptx-paper", "ppo", **{**lab.scale.ptx, "ptx_coef": lab.scale.paper_ptx_coef})
    models = {
        "base": str(BASE), "SFT": lab.sft(), "PPO": lab.ppo(), "PPO-ptx": lab.ppo_ptx(),
        "PPO-ptx with the paper's coefficient": full,
    }  # fmt: skip
    tokenizer = load_tokenizer(str(BASE))
    texts = spread(corpus(lab.scale.corpus_bytes)[-VALIDATION_DOCUMENTS:], lab.scale.held_documents)
    ids = [[*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id][:400] for text in texts]
    items = [(own[:1], [own[1:]]) for own in ids]
    tokens = [float(len(own) - 1) for own in ids]
    losses = {name: [-one[0] for one in lab.logprobs(path, items)] for name, path in models.items()}
    found = Result()
    for name, nats in losses.items():
        found.figures[f"{name}: {LOSS}"] = ratio(nats, tokens)
    for worse, better in (("SFT", "base"), ("PPO", "SFT"), ("PPO", "PPO-ptx"), ("SFT", "PPO-ptx")):
        found.figures[f"{worse} less {better}: {LOSS}"] = ratio_gap((losses[worse], tokens), (losses[better], tokens))
    answers = {
        name: answers_of(lab, own, models[name])
        for name, own in (("SFT", "sft"), ("PPO", "ppo"), ("PPO-ptx", "ppo-ptx"),
                          ("PPO-ptx with the paper's coefficient", "ppo-ptx-paper"))
    }  # fmt: skip
    for name, own in answers.items():
        found.figures[f"{name}: mean judge score"] = mean(own.scores)
        if name.startswith("PPO-ptx"):
            found.figures[f"{name} beats SFT, %"] = beats(own, answers["SFT"])
            found.figures[f"{name} beats PPO, %"] = beats(own, answers["PPO"])
    return found


EXPERIMENT = Experiment(
    key="e",
    title="Pretraining text",
    paper="InstructGPT, section 4.2: PPO regresses on public NLP data sets; PPO-ptx makes up for most of it, at"
    " next to no cost in preference, with a coefficient of 20 or more (27.8).",
    here="The regression is the loss on documents held out from pretraining. The coefficient is 0.2 on means a"
    " token, for the policy's gradient is small here; the paper's 27.8 stands beside it.",
    run=run,
    claims=(
        Claim("SFT regresses from the base", f"SFT less base: {LOSS}"),
        Claim("PPO regresses further than SFT", f"PPO less SFT: {LOSS}"),
        Claim("PPO-ptx is better on pretraining text than PPO", f"PPO less PPO-ptx: {LOSS}"),
        Claim("It is better there than the SFT model that it starts from", f"SFT less PPO-ptx: {LOSS}"),
        Claim("It still beats SFT", "PPO-ptx beats SFT, %", 50),
        Claim("So it does with the paper's coefficient", "PPO-ptx with the paper's coefficient beats SFT, %", 50),
    ),
    notes="The paper's 27.8 leaves nothing of the preference here: its text and its reward are of another scale. Of the"
    " two coefficients that were tried 0.2 is the one that leaves some of both.",
)
