"""Seeded token ids. Inputs end with EOS (1), pads are 0 on the right, ids 2.. are drawn at random."""

from dataclasses import dataclass

import torch

PAD, EOS, IGNORE = 0, 1, -100


@dataclass
class Batch:
    """`input_ids` [B, S] right-padded; `labels` [B, T] right-padded with -100, or None for inputs alone."""

    input_ids: torch.Tensor
    input_lengths: torch.Tensor
    labels: torch.Tensor
    label_lengths: torch.Tensor

    @property
    def attention_mask(self) -> torch.Tensor:
        return (torch.arange(self.input_ids.shape[1])[None] < self.input_lengths[:, None]).long()

    @property
    def decoder_input_ids(self) -> torch.Tensor:
        """Labels shifted right behind the start id 0, -100 replaced by the pad id."""
        start = torch.zeros(len(self.labels), 1, dtype=torch.long)
        shifted = self.labels[:, :-1]
        return torch.cat([start, shifted.masked_fill(shifted == IGNORE, PAD)], 1)

    @property
    def label_mask(self) -> torch.Tensor:
        return self.labels != IGNORE


def _rows(vocab: int, lengths: list[int], fill: int, generator: torch.Generator) -> torch.Tensor:
    ids = torch.full((len(lengths), max(lengths)), fill)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(2, vocab, (length,), generator=generator)
        ids[row, length - 1] = EOS
    return ids


def batch(vocab: int, input_lengths: list[int], label_lengths: list[int], seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        _rows(vocab, input_lengths, PAD, generator), torch.tensor(input_lengths),
        _rows(vocab, label_lengths, IGNORE, generator), torch.tensor(label_lengths),
    )


def parity_batches(family: str, vocab: int) -> dict[str, Batch]:
    """`short` and `other` for every family; `long` reaches past the last position bucket where it matters."""
    batches = {
        "short": batch(vocab, [7, 1, 13, 4], [5, 9, 1, 3], 11),
        "other": batch(vocab, [3, 11, 5], [7, 2, 6], 12),
    }
    if family == "t5-v1.1":
        batches["long"] = batch(vocab, [150, 37], [5, 141], 13)
    if family == "t5-tied-gated":
        batches["long"] = batch(vocab, [29, 91], [87, 3], 14)
    return batches


def decode_inputs(vocab: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`rows` inputs of 2 to 14 ids: (input_ids [rows, S], attention_mask [rows, S])."""
    generator = torch.Generator().manual_seed(15)
    lengths = torch.randint(2, 15, (rows,), generator=generator).tolist()
    ids = _rows(vocab, lengths, PAD, generator)
    mask = (torch.arange(ids.shape[1])[None] < torch.tensor(lengths)[:, None]).long()
    return ids, mask
