"""`prompt | y1 | ... | yK` in one row: the shared prompt is computed once.

Each response attends to the prompt and to itself only, and its positions restart at the prompt's length, so every
token sees exactly what it would see in a row of its own (docs/training.md, "What is particular"). With K = 1
this is an ordinary right-padded causal batch and needs no mask at all. SFT, reward model and PPO all use it; the
bookkeeping of "which hidden state predicts which response token" is done here, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PAD = 0  # never read: masks and index lists decide what counts, not the token id


@dataclass
class Packed:
    """A batch of B rows, T tokens wide, with R responses of N tokens in all (response after response).

    input_ids, position_ids [B, T]; mask [B, 1, T, T] bool or None (plain causal); source [N]: index into the
    flattened [B*T] hidden states of the position that predicts the token; place [N]: index of the token itself;
    targets [N] token ids; owner [N] response number; lengths [R]; rows [R] the row that holds the response.
    """

    input_ids: Tensor
    position_ids: Tensor
    mask: Tensor | None
    source: Tensor
    place: Tensor
    targets: Tensor
    owner: Tensor
    lengths: Tensor
    rows: Tensor

    @property
    def last(self) -> Tensor:
        """Index into the flattened hidden states of each response's last token, [R]."""
        return self.place[self.lengths.cumsum(0) - 1]

    def to(self, device: torch.device) -> Packed:
        """The same batch on another device."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Packed(**{k: v.to(device) if isinstance(v, Tensor) else v for k, v in fields.items()})

    def pad(self, flat: Tensor, fill: float = 0.0) -> Tensor:
        """[N] values of response tokens as [R, L], padded on the right with `fill`."""
        return pad_flat(flat, self.lengths, fill)


def pad_flat(flat: Tensor, lengths: Tensor, fill: float = 0.0) -> Tensor:
    """[N] to [R, L] by the responses' lengths [R]."""
    mask = length_mask(lengths)
    out = torch.full(mask.shape, fill, dtype=flat.dtype, device=flat.device)
    return out.masked_scatter(mask, flat)


def length_mask(lengths: Tensor) -> Tensor:
    """[R] lengths to a bool mask [R, L]."""
    width = int(lengths.max())
    return torch.arange(width, device=lengths.device).unsqueeze(0) < lengths.unsqueeze(1)


def pack(items: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]) -> Packed:
    """Pack (prompt token ids, responses' token ids) items, one row each. Prompts and responses are not empty."""
    widths = [len(prompt) + sum(map(len, responses)) for prompt, responses in items]
    batch, width = len(items), max(widths)
    ids = torch.full((batch, width), PAD, dtype=torch.long)
    positions = torch.zeros((batch, width), dtype=torch.long)
    segments = torch.full((batch, width), -1, dtype=torch.long)
    source: list[Tensor] = []
    place: list[Tensor] = []
    lengths: list[int] = []
    rows: list[int] = []
    for row, (prompt, responses) in enumerate(items):
        start = len(prompt)
        ids[row, : widths[row]] = torch.tensor([*prompt, *(token for y in responses for token in y)])
        positions[row, :start] = torch.arange(start)
        segments[row, :start] = 0
        offset = start
        for number, response in enumerate(responses, start=1):
            end = offset + len(response)
            positions[row, offset:end] = torch.arange(start, start + len(response))
            segments[row, offset:end] = number
            at = torch.arange(offset, end) + row * width
            before = at - 1
            before[0] = row * width + start - 1
            source.append(before)
            place.append(at)
            lengths.append(len(response))
            rows.append(row)
            offset = end
    flat_place = torch.cat(place)
    sizes = torch.tensor(lengths)
    single = all(len(responses) == 1 for _, responses in items)
    if single:  # padding follows the tokens, so plain causal attention is right, positions run on
        positions = torch.arange(width).repeat(batch, 1)
    return Packed(
        input_ids=ids,
        position_ids=positions,
        mask=None if single else _block_mask(segments),
        source=torch.cat(source),
        place=flat_place,
        targets=ids.view(-1)[flat_place],
        owner=torch.repeat_interleave(torch.arange(len(lengths)), sizes),
        lengths=sizes,
        rows=torch.tensor(rows),
    )


def unpacked(
    items: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]],
) -> list[tuple[Sequence[int], Sequence[Sequence[int]]]]:
    """One item per response, for models whose attention cannot take the block mask."""
    return [(prompt, [response]) for prompt, responses in items for response in responses]


def _block_mask(segments: Tensor) -> Tensor:
    """[B, T] segment numbers (0 prompt, 1.. responses, -1 padding) to [B, 1, T, T], True where attention may look.

    Padding looks at itself, so that no softmax is over nothing.
    """
    width = segments.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    query, key = segments.unsqueeze(2), segments.unsqueeze(1)
    return ((query == key) | (key == 0)).logical_and(causal).unsqueeze(1)


def block_diagonal(documents: Tensor) -> Tensor:
    """[B, T] document numbers (-1 padding) to [B, 1, T, T]: causal, and within one document only."""
    width = documents.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    return (documents.unsqueeze(2) == documents.unsqueeze(1)).logical_and(causal).unsqueeze(1)
