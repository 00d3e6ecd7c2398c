"""Settings of sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import BaseConfig, Policy, setting


@dataclass(kw_only=True)
class SampleConfig(BaseConfig):
    """Sampling completions from one or several checkpoints."""

    kind: ClassVar[str] = "sample"
    makes_checkpoint: ClassVar[bool] = False

    policies: list[Policy] = setting(  # noqa: RUF009 (setting() is dataclasses.field())
        help="List of {name, path}: the checkpoints to sample from."
    )
    samples_per_prompt: int = setting(4, "Samples of each policy for each prompt, where `plan` says nothing.", 1, 64)
    plan: dict[str, dict[str, int]] | None = setting(  # noqa: RUF009 (as above)
        None, "Prompt id -> {policy name: samples}. Prompts that are not named get none once a plan is given."
    )
    temperature: float = setting(1.0, "Sampling temperature.", above=0, maximum=10)
    top_p: float = setting(1.0, "Nucleus: smallest set of tokens with this much probability.", above=0, maximum=1)
    top_k: int = setting(0, "Only the k likeliest tokens; 0 takes all.", 0)
    greedy: bool = setting(False, "Always the likeliest token (temperature, top_p and top_k are ignored).")
    max_new_tokens: int = setting(96, "Longest response in tokens.", 1)
    max_prompt_tokens: int = setting(384, "Longest prompt in tokens; a longer one is refused.", 4)
    batch_rows: int = setting(256, "Rows decoded at once.", 1)
    server: str = setting(
        "",
        "Address of a server such as vLLM that serves the policies by name or folder (OpenAI's completions over HTTP);"
        " empty draws here. The folders' tokenizers are read either way.",
    )
    best_of: int = setting(
        1, "Candidates drawn for each sample; the one that the reward model scores best is kept.", 1, 1024
    )
    reward_model: str = setting("", "Folder of the reward model that scores samples; best_of needs it.")
    micro_batch_tokens: int = setting(8192, "Tokens, padding included, per forward of the reward model.", 16)

    def check_together(self) -> dict[str, str]:
        if self.best_of > 1 and not self.reward_model:
            return {"reward_model": "is empty; best_of needs the folder of a reward model."}
        if self.best_of > 1 and self.greedy:
            return {"best_of": "must be 1 with greedy, which draws the same candidate each time."}
        names = [policy.name for policy in self.policies]
        if not names:
            return {"policies": "is empty; name at least one {name, path}."}
        if len(set(names)) != len(names):
            return {"policies": "has two entries with the same name; names must differ."}
        for prompt, counts in (self.plan or {}).items():
            for name, count in counts.items():
                if name not in names:
                    return {"plan": f"prompt {prompt} asks for policy {name!r}, which is not in policies; add it."}
                if not 0 <= count <= 64:
                    return {"plan": f"prompt {prompt}, policy {name!r}: {count} samples; use 0 to 64."}
        return {}
