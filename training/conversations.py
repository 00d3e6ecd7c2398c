"""Demonstrations as conversations: which tokens are read, which are learnt, and several of them in one row.

A chat is one sequence with the loss on every answer of the labeler's (its tokens and its end token), so that a chat of
five answers costs one forward and not five. Rows may hold several conversations: each attends to itself alone and its
positions begin at 0, so that it is computed as if it stood alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from training.data import Codec, Message, messages_of, need, read_rows
from training.job import JobError
from training.labels import Label, read_label
from training.packing import PAD, Packed, block_diagonal


@dataclass
class Demonstration:
    """A prompt, with all that was said before, and one answer that a person wrote, or a model (`ai`)."""

    id: str
    prompt: list[int]
    response: list[int]
    split: str
    ai: bool = False


@dataclass
class Conversation:
    """Token ids of a whole conversation, and where its answers stand: [start, end) of each, end token included."""

    id: str
    tokens: list[int]
    answers: list[tuple[int, int]]
    split: str
    label: Label = field(default_factory=Label)

    @property
    def learnt(self) -> int:
        """Tokens that the loss counts."""
        return sum(end - start for start, end in self.answers)

    @property
    def prompt_tokens(self) -> int:
        """Tokens before the first answer."""
        return self.answers[0][0]

    def parts(self) -> list[Conversation]:
        """One conversation for each answer, with all that was said before it."""
        return [
            Conversation(self.id, self.tokens[:end], [(start, end)], self.split, self.label)
            for start, end in self.answers
        ]


def encode(
    codec: Codec, messages: list[Message], answers: Sequence[str], between: Sequence[list[Message]]
) -> tuple[list[int], list[tuple[int, int]]] | None:
    """(token ids, places of the answers) of a conversation; `between[i]` is what is said before answer i + 1.

    The template is asked anew before each answer. Where it writes what came before otherwise than it did then (some
    drop earlier thoughts), the sequence would not be what the model reads when it answers: returns None.
    """
    tokens = codec.prompt(messages)
    places = []
    said = list(messages)
    for number, answer in enumerate(answers):
        if number:
            said = [*said, {"role": "assistant", "content": answers[number - 1]}, *between[number - 1]]
            prompt = codec.prompt(said)
            if prompt[: len(tokens)] != tokens:
                return None
            tokens = prompt
        start = len(tokens)
        tokens = [*tokens, *codec.response(answer)]
        places.append((start, len(tokens)))
    return tokens, places


def read_conversations(path: Path, codec: Codec) -> list[Conversation]:
    """Rows of `demonstrations.jsonl`; those with `turns` are chats. Raises JobError with the line number."""
    rows = []
    for number, row in read_rows(path):
        where = f"{path.name}, line {number}"
        messages, answers = messages_of(row, where), [need(row, "response", str, where)]
        between: list[list[Message]] = []
        for turn in messages_of(row, where, "turns") if row.get("turns") else []:
            if turn["role"] == "assistant":
                answers.append(turn["content"])
            elif len(between) < len(answers):
                between.append([turn])
            else:
                between[-1].append(turn)
        if len(between) < len(answers) - 1:
            raise JobError(
                f"{where}: 'turns' has two answers with nothing said between them; put the user's turn there."
            )
        name, split = str(row.get("id", number)), str(row.get("split", "train"))
        found = _conversations(codec, name, split, messages, answers, between)
        label = read_label(row, [], where)
        rows += [replace(one, label=replace(label)) for one in found]
    if not rows:
        raise JobError(f"{path.name} holds no demonstration; write some first.")
    return rows


def read_demonstrations(path: Path, codec: Codec) -> list[Demonstration]:
    """The same, each answer for itself, as a reward model reads them. Raises JobError with the line number."""
    parts = [part for whole in read_conversations(path, codec) for part in whole.parts()]
    return [
        Demonstration(
            part.id, part.tokens[: part.prompt_tokens], part.tokens[part.prompt_tokens :], part.split, part.label.ai
        )
        for part in parts
    ]


def _conversations(
    codec: Codec, name: str, split: str, messages: list[Message], answers: list[str], between: list[list[Message]]
) -> list[Conversation]:
    """The conversation whole, or one for each answer where its template cannot be read as one sequence."""
    together = encode(codec, messages, answers, between)
    if together is not None:
        return [Conversation(name, *together, split)]
    found, said = [], list(messages)
    for number, answer in enumerate(answers):
        if number:
            said = [*said, {"role": "assistant", "content": answers[number - 1]}, *between[number - 1]]
        alone = encode(codec, said, [answer], [])
        assert alone is not None, "a single answer has nothing before it that could be written otherwise"
        found.append(Conversation(name, *alone, split))
    return found


def fill_rows(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Numbers of sequences, row by row, so that no row is longer than `capacity`: first fit, longest first."""
    rows: list[list[int]] = []
    left: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        row = next((at for at, room in enumerate(left) if room >= lengths[number]), None)
        if row is None:
            rows.append([])
            left.append(max(capacity, lengths[number]))
            row = len(rows) - 1
        rows[row].append(number)
        left[row] -= lengths[number]
    return rows


def pack_conversations(rows: Sequence[Sequence[Conversation]]) -> Packed:
    """Rows of one or more conversations as one batch; its "responses" are the answers, one after the other."""
    width = max(sum(len(one.tokens) for one in row) for row in rows)
    ids = torch.full((len(rows), width), PAD, dtype=torch.long)
    single = all(len(row) == 1 for row in rows)  # padding follows the tokens, so plain causal attention is right
    positions = torch.arange(width).repeat(len(rows), 1) if single else torch.zeros_like(ids)
    documents = torch.full((len(rows), width), -1, dtype=torch.long)
    place: list[torch.Tensor] = []
    owners: list[int] = []
    for at, row in enumerate(rows):
        offset = 0
        for number, one in enumerate(row):
            end = offset + len(one.tokens)
            ids[at, offset:end] = torch.tensor(one.tokens)
            positions[at, offset:end] = torch.arange(len(one.tokens))
            documents[at, offset:end] = number
            place += [torch.arange(start, stop) + at * width + offset for start, stop in one.answers]
            owners += [at] * len(one.answers)
            offset = end
    flat = torch.cat(place)
    sizes = torch.tensor([len(answer) for answer in place])
    return Packed(
        input_ids=ids,
        position_ids=positions,
        mask=None if single else block_diagonal(documents),
        source=flat - 1,
        place=flat,
        targets=ids.view(-1)[flat],
        owner=torch.repeat_interleave(torch.arange(len(sizes)), sizes),
        lengths=sizes,
        rows=torch.tensor(owners),
    )
