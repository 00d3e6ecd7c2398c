"""From the job folder's JSONL rows to token ids: reading, chat template, response formatting, batches.

Every program formats through `Codec`, so a response's tokens, its end token included, are the same in SFT,
reward-model training, evaluation and RL (detail 1 of docs/training.md).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from training.job import JobError
from training.labels import Label, read_label

# ChatML, for tokenizers that bring no template of their own.
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'"
    " + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
Message = dict[str, str]


@dataclass
class Prompt:
    """A conversation up to the turn to be answered, as token ids."""

    id: str
    tokens: list[int]
    split: str


@dataclass
class Ranking:
    """K responses to one prompt, their ranks (1 is best, equal numbers are ties) and overall ratings."""

    id: str
    prompt_id: str
    prompt: list[int]
    responses: list[list[int]]
    ranks: list[int]
    ratings: list[float]  # nan where a response was not rated
    split: str
    label: Label = field(default_factory=Label)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines of a JSONL file as (line number from 1, object). Raises JobError naming the file and line."""
    if not path.is_file():
        raise JobError(f"{path} is missing; the job folder needs it.")
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise JobError(f"{path.name}, line {number}: is not valid JSON; correct or remove the line.") from None
            if not isinstance(row, dict):
                raise JobError(f"{path.name}, line {number}: must be a JSON object.")
            yield number, row


def need(row: dict[str, Any], key: str, kind: type, where: str) -> Any:
    """A row's value of a type. Raises JobError."""
    if key not in row:
        raise JobError(f"{where}: the key {key!r} is missing.")
    if not isinstance(row[key], kind):
        raise JobError(f"{where}: {key!r} must be {'text' if kind is str else 'a ' + kind.__name__}.")
    return row[key]


def messages_of(row: dict[str, Any], where: str, key: str = "messages") -> list[Message]:
    """A list of {role, content}. Raises JobError."""
    messages = need(row, key, list, where)
    if not messages:
        raise JobError(f"{where}: {key!r} is empty.")
    for message in messages:
        if not isinstance(message, dict):
            raise JobError(f"{where}: each message must be an object with role and content.")
        need(message, "role", str, where)
        need(message, "content", str, where)
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def load_tokenizer(path: str) -> Any:
    """The tokenizer of a model folder. A saved `tokenizer.json` is taken as it is: AutoTokenizer may replace it."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    folder = Path(path)
    try:
        if (folder / "tokenizer.json").is_file():
            return PreTrainedTokenizerFast.from_pretrained(path)
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise JobError(f"The tokenizer in {path} cannot be loaded ({reason}); copy the checkpoint again.") from None


class Codec:
    """A tokenizer with its chat template and its end token: text to ids and back, one way everywhere."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        if tokenizer.eos_token_id is None:
            raise JobError("The tokenizer has no end token (eos_token); set one in tokenizer_config.json.")
        if not tokenizer.chat_template:
            tokenizer.chat_template = CHATML
        self.end = self._end_token()
        self.stops = sorted({self.end, int(tokenizer.eos_token_id)})

    def _end_token(self) -> int:
        """The special token that the template puts after an answer, else the tokenizer's eos_token."""
        mark = "answer"
        turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": mark}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False)
        after = text[text.rindex(mark) + len(mark) :]
        ids = self.tokenizer.encode(after, add_special_tokens=False) if after else []
        special = {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        if ids and ids[0] in special:
            return int(ids[0])
        return int(self.tokenizer.eos_token_id)

    def prompt(self, messages: list[Message]) -> list[int]:
        """Token ids of the conversation, up to where the answer begins."""
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def response(self, text: str) -> list[int]:
        """Token ids of an answer, with the end token."""
        return [*self.tokenizer.encode(text, add_special_tokens=False), self.end]

    def text(self, tokens: Sequence[int]) -> str:
        """The answer's text, cut at the stop token and without special tokens."""
        kept = []
        for token in tokens:
            if token in self.stops:
                break
            kept.append(token)
        return str(self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)).strip()


def unseen(name: Any, seen: set[Any], where: str) -> Any:
    """`name`, which is in `seen` from now on. Raises JobError where it was there before."""
    if name in seen:
        raise JobError(f"{where}: the id {name!r} was there before; ids must differ.")
    seen.add(name)
    return name


def read_prompts(path: Path, codec: Codec) -> list[Prompt]:
    """Rows of `prompts.jsonl`. Raises JobError with the line number, also for an id that comes twice."""
    rows = []
    seen: set[str] = set()
    for number, row in read_rows(path):
        where = f"{path.name}, line {number}"
        name = unseen(str(need(row, "id", object, where)), seen, where)
        rows.append(Prompt(name, codec.prompt(messages_of(row, where)), str(row.get("split", "train"))))
    if not rows:
        raise JobError(f"{path.name} holds no prompt; add some first.")
    return rows


def read_rankings(path: Path, codec: Codec, max_length: int) -> list[Ranking]:
    """Rows of `rankings.jsonl`; responses over `max_length` with their prompt are left out. Raises JobError."""
    rows = []
    for number, row in read_rows(path):
        where = f"{path.name}, line {number}"
        prompt = codec.prompt(messages_of(row, where))
        responses, ranks = need(row, "responses", list, where), need(row, "ranks", list, where)
        if len(responses) != len(ranks):
            raise JobError(f"{where}: {len(responses)} responses but {len(ranks)} ranks; each response needs one.")
        if not all(isinstance(rank, int) and not isinstance(rank, bool) for rank in ranks):
            raise JobError(f"{where}: ranks must be whole numbers, 1 for the best.")
        encoded = []
        for response in responses:
            if not isinstance(response, dict):
                raise JobError(f"{where}: each response must be an object with a text.")
            encoded.append(codec.response(need(response, "text", str, where)))
        ratings = _overall(row, responses, where)
        kept = [at for at, response in enumerate(encoded) if len(prompt) + len(response) <= max_length]
        if len({ranks[at] for at in kept}) < 2:
            continue  # ties only: no pair to learn from
        name = str(row.get("id", number))
        rows.append(
            Ranking(
                name, str(row.get("prompt_id", name)), prompt, [encoded[at] for at in kept],
                [ranks[at] for at in kept], [ratings[at] for at in kept], str(row.get("split", "train")),
                read_label(row, kept, where),
            )
        )  # fmt: skip
    if not rows:
        raise JobError(f"{path.name} holds no ranking with a preference; rank some responses first.")
    return rows


def _overall(row: dict[str, Any], responses: list[dict[str, Any]], where: str) -> list[float]:
    """The overall rating of each response, nan where there is none. Raises JobError for one that is no number."""
    given = row.get("ratings") or {}
    values = []
    for response in responses:
        rating = given.get(str(response.get("id"))) if isinstance(given, dict) else None
        value = rating.get("overall") if isinstance(rating, dict) else None
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise JobError(f"{where}: the overall rating of response {response.get('id')!r} must be a number.")
        values.append(math.nan if value is None else float(value))
    return values


def held_out(key: str, seed: int, share: float) -> bool:
    """A fixed draw by the hash of a row's key: the same row is always on the same side."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def split_rows(rows: list[Any], key: Callable[[Any], str], seed: int, share: float) -> tuple[list[Any], list[Any]]:
    """Training and validation rows: by the rows' split if any says "validation", else a held-out share by key."""
    if any(row.split == "validation" for row in rows):
        return (
            [row for row in rows if row.split == "train"],
            [row for row in rows if row.split == "validation"],
        )
    usable = [row for row in rows if row.split == "train"]
    return (
        [row for row in usable if not held_out(key(row), seed, share)],
        [row for row in usable if held_out(key(row), seed, share)],
    )


def bucketed_batches(lengths: Sequence[int], batch_size: int, seed: int) -> list[list[int]]:
    """Row numbers in batches of like length, in random order, a pure function of the seed.

    Rows are shuffled, sorted by length within chunks of 16 batches, cut, and the batches shuffled.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    batches = []
    chunk = 16 * batch_size
    for start in range(0, len(order), chunk):
        part = sorted(order[start : start + chunk], key=lambda row: lengths[row])
        batches += [part[at : at + batch_size] for at in range(0, len(part), batch_size)]
    return [batches[at] for at in torch.randperm(len(batches), generator=generator).tolist()]


class Epochs:
    """The batches of a program's steps, epoch after epoch, each in an order that the seed and the epoch decide."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self._epoch, self._batches = 0, bucketed_batches(lengths, batch_size, seed * 1000)

    def __len__(self) -> int:
        """Steps in one epoch."""
        return len(self._batches)

    def batch(self, step: int) -> list[int]:
        """The row numbers of a step, counted from 0 over all epochs."""
        epoch, at = divmod(step, len(self))
        if epoch != self._epoch:
            self._epoch = epoch
            self._batches = bucketed_batches(self.lengths, self.batch_size, self.seed * 1000 + epoch)
        return self._batches[at]

    def ends_with(self, step: int) -> bool:
        """Whether so many steps make whole epochs."""
        return step % len(self) == 0


def cycle(size: int, count: int, turn: int, seed: int) -> list[int]:
    """`count` of `size` things for the turn-th time: all of them in a new order for each pass, by the seed."""
    orders: dict[int, list[int]] = {}
    chosen = []
    for at in range(turn * count, (turn + 1) * count):
        passed, place = divmod(at, size)
        if passed not in orders:
            generator = torch.Generator().manual_seed(seed * 7919 + passed)
            orders[passed] = torch.randperm(size, generator=generator).tolist()
        chosen.append(orders[passed][place])
    return chosen


def micro_batches(rows: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Split a batch so that rows x longest row, padding included, stays within `tokens` (one row always fits)."""
    ordered = sorted(rows, key=lambda row: lengths[row])
    out: list[list[int]] = []
    for row in ordered:
        if out and (len(out[-1]) + 1) * lengths[row] <= tokens:
            out[-1].append(row)
        else:
            out.append([row])
    return out
