"""Sampling through a server: a small one on this machine that speaks the protocol by running a tiny model."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import conftest as tiny
from training.data import Codec, load_tokenizer
from training.decoder import Request, Sampling, decode
from training.job import Drained, JobError
from training.models import load_causal_lm, response_logprobs
from training.packing import pack
from training.preference_math import sequence_logprobs
from training.server import Server


class Protocol(BaseHTTPRequestHandler):
    """GET /v1/models and POST /v1/completions, as vLLM answers them."""

    model: Any
    names: tuple[str, ...] = ("tiny",)
    failures = 0  # answers of 503 before the next good one
    token_ids = True
    asked: list[dict[str, Any]]

    def do_GET(self) -> None:
        self.answer(200, {"object": "list", "data": [{"id": name} for name in self.names]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = type(self)
        kind.asked.append(body)
        if kind.failures:
            kind.failures -= 1
            return self.answer(503, {"error": "warming up"})
        if body.get("echo"):
            return self.answer(200, {"id": "cmpl-1", "object": "text_completion", "choices": [self.echo(body)]})
        if body["max_tokens"] > 200:
            return self.answer(400, {"error": {"message": "This model's maximum context length is 256 tokens."}})
        tokens, logprobs, ended = self.complete(body)
        choice: dict[str, Any] = {
            "index": 0, "text": "", "finish_reason": "stop" if ended else "length",
            "logprobs": {"tokens": [f"token_id:{token}" for token in tokens], "token_logprobs": logprobs},
        }  # fmt: skip
        if kind.token_ids:
            choice["token_ids"] = tokens
        self.answer(200, {"id": "cmpl-1", "object": "text_completion", "choices": [choice]})

    def echo(self, body: dict[str, Any]) -> dict[str, Any]:
        """The prompt with its log-probabilities, none for its first token, and one token more."""
        tokens = body["prompt"]
        with torch.no_grad():
            logprobs = self.model(torch.tensor([tokens])).logits[0].float().log_softmax(-1)
        found = [float(logprobs[at, token]) for at, token in enumerate(tokens[1:])]
        return {"index": 0, "text": "", "finish_reason": "length", "logprobs": {"token_logprobs": [None, *found, -1.0]}}

    def complete(self, body: dict[str, Any]) -> tuple[list[int], list[float], bool]:
        """One token after the other, from a generator seeded with the request's seed."""
        generator = torch.Generator().manual_seed(body["seed"])
        tokens: list[int] = []
        logprobs: list[float] = []
        for _ in range(body["max_tokens"]):
            with torch.no_grad():
                logits = self.model(torch.tensor([[*body["prompt"], *tokens]])).logits[0, -1].float()
            if body["temperature"] == 0:
                token = int(logits.argmax())
            else:
                probabilities = (logits / body["temperature"]).softmax(-1)
                token = int(torch.multinomial(probabilities, 1, generator=generator))
            tokens.append(token)
            logprobs.append(float(logits.log_softmax(-1)[token]))
            if token in body["stop_token_ids"]:
                return tokens, logprobs, True
        return tokens, logprobs, False

    def answer(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def protocol(folders: dict[str, Path]) -> type[Protocol]:
    return type("Running", (Protocol,), {"model": load_causal_lm(str(folders["llama"])), "asked": []})


@pytest.fixture
def url(protocol: type[Protocol]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), protocol)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def codec(folders: dict[str, Path]) -> Codec:
    return Codec(load_tokenizer(str(folders["llama"])))


def requests(codec: Codec, samples: int = 2) -> list[Request]:
    prompts = [codec.prompt(row["messages"]) for row in tiny.prompts(3)]
    return [Request(f"p{at}", tokens, index) for at, tokens in enumerate(prompts) for index in range(samples)]


def never() -> bool:
    return False


@pytest.mark.parametrize("token_ids", [True, False])
def test_greedy_samples_are_those_of_our_own_decoder(
    url: str, protocol: type[Protocol], codec: Codec, token_ids: bool
) -> None:
    protocol.token_ids = token_ids
    settings = Sampling(max_new_tokens=16, greedy=True)
    here = decode(protocol.model, requests(codec, 1), codec.stops, settings)
    there = Server(url, ["tiny"]).decode(requests(codec, 1), codec.stops, settings, never)
    assert [one.tokens for one in there] == [one.tokens for one in here]
    assert [one.ended for one in there] == [one.ended for one in here]
    for one, other in zip(here, there, strict=True):
        assert sum(one.logprobs) == pytest.approx(sum(other.logprobs), abs=1e-3)


def test_each_sample_has_a_seed_of_its_own_and_comes_again_with_it(
    url: str, protocol: type[Protocol], codec: Codec
) -> None:
    settings = Sampling(max_new_tokens=12, seed=5)
    first, again = (Server(url, ["tiny"]).decode(requests(codec, 4), codec.stops, settings, never) for _ in range(2))
    assert [one.tokens for one in first] == [one.tokens for one in again]
    assert len({tuple(one.tokens) for one in first[:4]}) > 1
    assert len({body["seed"] for body in protocol.asked}) == 12


def test_a_server_that_warms_up_is_asked_again(url: str, protocol: type[Protocol], codec: Codec) -> None:
    protocol.failures = 3
    drawn = Server(url, ["tiny"], wait=0.01).decode(requests(codec), codec.stops, Sampling(max_new_tokens=4), never)
    assert len(drawn) == 6


def test_a_refusal_is_told_in_the_servers_words(url: str, codec: Codec) -> None:
    with pytest.raises(JobError, match="maximum context length is 256 tokens"):
        Server(url, ["tiny"]).decode(requests(codec), codec.stops, Sampling(max_new_tokens=300), never)


def test_a_model_that_is_not_served_is_named_with_what_to_do(url: str, protocol: type[Protocol]) -> None:
    assert Server(url, ["other"]).model == "tiny", "the only one there is"
    protocol.names = ("one", "two")
    with pytest.raises(JobError, match="serves one, two, but not policy-7; start it with --served-model-name policy-7"):
        Server(url, ["policy-7"])


def test_a_server_that_is_away_fails_with_a_sentence() -> None:
    with pytest.raises(JobError, match=r"127\.0\.0\.1:9 does not answer as it should"):
        Server("http://127.0.0.1:9", ["tiny"], wait=0.001)


def test_cancelling_stops_before_the_next_request(url: str, codec: Codec) -> None:
    with pytest.raises(Drained):
        Server(url, ["tiny"]).decode(requests(codec), codec.stops, Sampling(max_new_tokens=4), lambda: True)


def test_a_sampling_job_draws_from_the_server(
    url: str, protocol: type[Protocol], folders: dict[str, Path], make_job: Any
) -> None:
    config = {
        "policies": [{"name": "tiny", "path": str(folders["llama"])}], "server": url, "samples_per_prompt": 2,
        "max_new_tokens": 8, "max_prompt_tokens": 96,
    }  # fmt: skip
    job = make_job(config, prompts=tiny.prompts(4))
    assert tiny.run("sample", job) == 0
    rows = tiny.lines(job / "completions.jsonl")
    found = sorted((row["prompt_id"], row["index"]) for row in rows)
    assert found == [(f"p{at}", index) for at in range(4) for index in (0, 1)]
    assert len(protocol.asked) == 8


def test_a_servers_log_probabilities_of_given_responses_are_the_models_own(
    url: str, protocol: type[Protocol], codec: Codec
) -> None:
    prompt, responses = codec.prompt(tiny.user("the cat")), [codec.response("sat"), codec.response("ran on a mat")]
    found = Server(url, ["tiny"]).logprobs([(prompt, responses)], never)
    with torch.no_grad():
        per_token = response_logprobs(protocol.model, batch := pack([(prompt, responses)]))[0]
    assert found[0] == pytest.approx(sequence_logprobs(per_token, batch.owner, batch.lengths).tolist(), abs=1e-3)


def test_a_judge_on_a_server_ranks_as_the_same_model_here(url: str, folders: dict[str, Path], make_job: Any) -> None:
    rows = [{"id": "c", "messages": tiny.user("a"), "responses": [{"text": "cat"}, {"text": "dog"}]}]
    wins = []
    for name, server in (("here", ""), ("there", url)):
        config = {"judge": str(folders["llama"]), "judge_name": "tiny", "server": server, "principles": ["x"]}
        job = make_job(config, name, comparisons=rows)
        if not server:  # the question is longer than a tiny model's positions; rotary ones go on
            path = folders["llama"] / "config.json"
            wide = tmp_copy(folders["llama"], job / "wide")
            (wide / "config.json").write_text(path.read_text().replace(": 256", ": 2048"))
            (job / "config.json").write_text(json.dumps({**config, "judge": str(wide)}))
        assert tiny.run("rlaif", job) == 0
        wins.append(tiny.lines(job / "rankings.jsonl")[0]["wins"])
    assert wins[0] == pytest.approx(wins[1], abs=1e-4)


def tmp_copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))
