"""`python -m starter.show FOLDER`: raw answers of a model to held-out prompts, unpicked, as Markdown.

The first prompts of each use-case, one sample each at temperature 1, with what the judge says. docs/starter.md holds
its output for the base model and for what came out of it.
"""

from __future__ import annotations

import argparse
from itertools import zip_longest

from starter.judge import judge
from starter.prompts import Prompt, all_prompts
from starter.referee import sample_texts
from starter.tasks import USE_CASES


def chosen(count: int) -> list[Prompt]:
    """The first held-out prompts, use-case by turns."""
    by_case = [[p for p in all_prompts("evaluation") if p.use_case == case] for case in USE_CASES]
    turns = [prompt for row in zip_longest(*by_case) for prompt in row if prompt is not None]
    return turns[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="starter/model")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    prompts = chosen(arguments.count)
    texts = sample_texts(arguments.model, prompts, arguments.temperature, arguments.seed)
    for number, (prompt, (text,)) in enumerate(zip(prompts, texts, strict=True), 1):
        judgment = judge(prompt, text)
        turns = " / ".join(" ".join(message["content"].split()) for message in prompt.messages)
        answer = " / ".join(text.splitlines())
        print(f"{number}. **{turns}**\\\n   {answer}\\\n   *{judgment.score:.2f}: {judgment.reason}*")


if __name__ == "__main__":
    main()
