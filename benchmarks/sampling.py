"""Our decoder beside `transformers.generate`: 4 samples of each of 16 prompts, tokens a second.

    OMP_WAIT_POLICY=PASSIVE python -m benchmarks.sampling [--rounds 7] [--threads 1]

A Llama of 5 million parameters with random weights (that of `rl_compare`), prompts of 70 to 130 tokens, float32, the
same matmul precision, both sides in turn. `equal`: no token ends a response, all have 60 tokens. `ragged`: each token
ends it with a chance of about 1 in 60, 96 at most. `starter`: 1 in 26, as long as what the starter writes. First what
must be equal: greedy tokens, and their log-probabilities to 1e-5. Tokens are those up to the end token; ratios are
medians of the rounds'. On a busy machine each side's best round is nearest to what an idle one would show.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import training  # noqa: F401 (before torch: idle threads must sleep)

import torch  # isort: skip

from benchmarks.rl_compare import make_model
from training.decoder import Request, Sampling, decode, left_pad
from training.models import load_causal_lm

PROMPTS, SAMPLES = 16, 4
EQUAL, RAGGED = 60, 96  # tokens of a response, and at most
ENDS = {"ragged": 60, "starter": 26}  # one token of so many ends a response
Seconds = tuple[float, float]  # on the clock, of the processor
Drawn = tuple[int, Seconds]  # tokens, and how long they took


def prompts(vocabulary: int) -> list[list[int]]:
    """Random tokens, 70 to 130 a prompt."""
    rng = random.Random(0)
    return [[rng.randrange(3, vocabulary) for _ in range(rng.randint(70, 130))] for _ in range(PROMPTS)]


def theirs(model: Any, asked: list[list[int]], stops: list[int], longest: int, **settings: Any) -> Any:
    """What `generate` gives: left-padded prompts, SAMPLES rows each when it samples."""
    ids, mask = left_pad(asked)
    return model.generate(
        ids, attention_mask=mask, max_new_tokens=longest, eos_token_id=stops or None, pad_token_id=0, top_k=0,
        top_p=1.0, temperature=1.0, return_dict_in_generate=True, **settings,
    )  # fmt: skip


def check_greedy(model: Any, asked: list[list[int]]) -> None:
    """The same tokens, and log-probabilities to 1e-5."""
    found = theirs(model, asked, [], EQUAL, do_sample=False, output_logits=True)
    tokens = found.sequences[:, -EQUAL:]
    logs = torch.stack(found.logits, 1).log_softmax(-1).gather(2, tokens.unsqueeze(2)).squeeze(2)
    requests = [Request(str(at), prompt, 0) for at, prompt in enumerate(asked)]
    drawn = decode(model, requests, [], Sampling(max_new_tokens=EQUAL, greedy=True))
    same = sum(ours.tokens == row.tolist() for ours, row in zip(drawn, tokens, strict=True))
    apart = (torch.tensor([ours.logprobs for ours in drawn]) - logs).abs().max().item()
    print(f"greedy: {same} of {len(asked)} responses equal, log-probabilities {apart:.1e} apart at most", flush=True)
    if same < len(asked) or apart > 1e-5:
        raise SystemExit("the decoder differs from generate")


def timed(work: Callable[[], int]) -> Drawn:
    """The tokens that `work` drew, and its seconds."""
    clock, processor = time.perf_counter(), time.process_time()
    tokens = work()
    return tokens, (time.perf_counter() - clock, time.process_time() - processor)


def draw_theirs(model: Any, asked: list[list[int]], stops: list[int], longest: int, turn: int) -> int:
    """One round of `generate`; returns the tokens up to the end tokens."""
    torch.manual_seed(turn)
    found = theirs(model, asked, stops, longest, do_sample=True, num_return_sequences=SAMPLES).sequences
    answers = found[:, max(map(len, asked)) :]
    ended = torch.isin(answers, torch.tensor(stops, dtype=torch.long)).long()
    return int((ended.cumsum(1) - ended == 0).sum())


def draw_ours(model: Any, asked: list[list[int]], stops: list[int], longest: int, turn: int) -> int:
    """One round of ours."""
    requests = [Request(str(at), prompt, n) for at, prompt in enumerate(asked) for n in range(SAMPLES)]
    drawn = decode(model, requests, stops, Sampling(max_new_tokens=longest, seed=turn))
    return sum(len(one.tokens) for one in drawn)


def compare(name: str, model: Any, asked: list[list[int]], stops: list[int], longest: int, rounds: int) -> None:
    """Both sides in turn; the first round of each warms up."""
    found: list[tuple[Drawn, Drawn]] = []
    for turn in range(rounds + 1):
        own = timed(lambda turn=turn: draw_ours(model, asked, stops, longest, turn))  # type: ignore[misc]
        other = timed(lambda turn=turn: draw_theirs(model, asked, stops, longest, turn))  # type: ignore[misc]
        found.append((own, other))
    lengths = [tokens / PROMPTS / SAMPLES for pair in found[1:] for tokens, _ in pair]
    for at, clock in enumerate(("second", "second of the processor")):
        ours, generate = ([side[0] / side[1][at] for side in sides] for sides in zip(*found[1:], strict=True))
        ratios = [a / b for a, b in zip(ours, generate, strict=True)]
        print(
            f"{name}, {statistics.mean(lengths):.0f} tokens a response: {statistics.median(ours):.0f} tokens a {clock},"
            f" generate {statistics.median(generate):.0f}; ratio {statistics.median(ratios):.2f}"
            f" (rounds {min(ratios):.2f} to {max(ratios):.2f}); best of either {max(ours):.0f} and {max(generate):.0f}",
            flush=True,
        )


def main() -> None:
    """Check, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lengths", nargs="+", default=["equal", *ENDS], choices=["equal", *ENDS])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder))
        model = load_causal_lm(folder)
    vocabulary = model.config.vocab_size
    asked = prompts(vocabulary)
    check_greedy(model, asked)
    for name in arguments.lengths:
        stops = random.Random(1).sample(range(3, vocabulary), vocabulary // ENDS[name]) if name in ENDS else []
        compare(name, model, asked, stops, RAGGED if stops else EQUAL, arguments.rounds)


if __name__ == "__main__":
    main()
