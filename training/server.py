"""Sampling from a server that speaks OpenAI's completions over HTTP, such as vLLM: `decode` with the same signature.

One request a sample, each with a seed of its own, so that what is drawn again after a kill is what was drawn before, as
far as the server honours seeds; vLLM computes the shared prompt once (prefix caching). Prompts go as token ids, so that
the chat template is ours. Log-probabilities are the server's own and go into the row for information alone: training
computes them itself (detail 20).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from training.decoder import Completion, Request, Sampling, sample_seed
from training.job import Drained, JobError

AT_ONCE = 64  # requests under way; the server batches them
TRIES = 5
PATIENCE = httpx.Timeout(600, connect=10)


class Server:
    """One model of one server."""

    def __init__(self, url: str, names: Sequence[str], wait: float = 1.0) -> None:
        """`names`: what the model may be called there, the likeliest first. Raises JobError when it is not served."""
        self.url, self.wait = url.rstrip("/"), wait
        self.client = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_connections=AT_ONCE))
        served = [model["id"] for model in self._ask("GET", "/v1/models")["data"]]
        known = [name for name in names if name in served]
        if not known and len(served) > 1:
            raise JobError(
                f"The server {url} serves {', '.join(served)}, but not {' or '.join(names)}; start it with"
                f" --served-model-name {names[0]}."
            )
        if not served:
            raise JobError(f"The server {url} serves no model; start it with one.")
        self.model = (known or served)[0]

    def decode(
        self, requests: Sequence[Request], stops: Sequence[int], settings: Sampling, cancelled: Callable[[], bool]
    ) -> list[Completion]:
        """Draw every request; the answers come in the order of the requests. Raises Drained, JobError."""

        def draw(request: Request) -> Completion:
            if cancelled():
                raise Drained
            return self._draw(request, stops, settings)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(draw, requests))

    def logprobs(
        self, items: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]], cancelled: Callable[[], bool]
    ) -> list[list[float]]:
        """log p(response | prompt) of each response of each (prompt, responses), in nats. Raises Drained, JobError.

        The server echoes what it was given with its log-probabilities (`echo`), and draws one token that nobody reads.
        """

        def read(pair: tuple[Sequence[int], Sequence[int]]) -> float:
            if cancelled():
                raise Drained
            prompt, response = pair
            body = {
                "model": self.model, "prompt": [*prompt, *response], "max_tokens": 1, "temperature": 0, "echo": True,
                "logprobs": 1,
            }  # fmt: skip
            choice = self._ask("POST", "/v1/completions", body)["choices"][0]
            found = (choice.get("logprobs") or {}).get("token_logprobs") or []
            own = found[len(prompt) : len(prompt) + len(response)]
            if len(own) != len(response) or any(value is None for value in own):
                raise JobError(f"The server {self.url} gives no log-probabilities of what it reads (echo); vLLM does.")
            return float(sum(own))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            flat = iter(list(pool.map(read, [(prompt, one) for prompt, responses in items for one in responses])))
        return [[next(flat) for _ in responses] for _, responses in items]

    def _draw(self, request: Request, stops: Sequence[int], settings: Sampling) -> Completion:
        seed = sample_seed(settings.seed, request.prompt_id, request.index)
        body = {
            "model": self.model, "prompt": list(request.tokens), "max_tokens": settings.max_new_tokens,
            "temperature": 0 if settings.greedy else settings.temperature, "top_p": settings.top_p,
            "top_k": settings.top_k or -1, "seed": seed % 2**31, "stop_token_ids": list(stops), "logprobs": 0,
            "skip_special_tokens": False, "return_token_ids": True, "return_tokens_as_token_ids": True,
        }  # fmt: skip
        choice = self._ask("POST", "/v1/completions", body)["choices"][0]
        tokens, logprobs = read_choice(choice)
        ended = choice.get("finish_reason") == "stop"
        if ended and (not tokens or tokens[-1] not in stops):  # a server may keep the token that it stopped at
            reason = choice.get("stop_reason")
            tokens = [*tokens, reason if isinstance(reason, int) else stops[0]]
        return Completion(request.prompt_id, request.index, seed, tokens, logprobs, ended)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer's JSON; tried again when the server is away or overwhelmed. Raises JobError with its own words."""
        said = ""
        for attempt in range(TRIES):
            try:
                answer = self.client.request(method, self.url + path, json=body)
            except httpx.HTTPError as error:
                said = str(error) or type(error).__name__
            else:
                if answer.is_success:
                    return answer.json()
                said = f"{answer.status_code}: {' '.join(answer.text.split())[:300]}"
                if answer.status_code < 500 and answer.status_code != 429:
                    break
            time.sleep(self.wait * 2**attempt)
        raise JobError(f"The sampling server {self.url} does not answer as it should ({said}); look at its log.")


def read_choice(choice: dict[str, Any]) -> tuple[list[int], list[float]]:
    """Token ids and their log-probabilities. Raises JobError for a server that gives text alone."""
    logprobs = choice.get("logprobs") or {}
    tokens = choice.get("token_ids")
    if tokens is None:
        named = [str(token) for token in logprobs.get("tokens") or ()]
        if not named or not all(name.startswith("token_id:") for name in named):
            raise JobError("The sampling server gives no token ids; vLLM does from 0.10 on (return_token_ids).")
        tokens = [int(name.removeprefix("token_id:")) for name in named]
    return list(tokens), [float(value or 0.0) for value in logprobs.get("token_logprobs") or ()]
