"""Where answers end, and the direction that the EOS row of the head is aimed along."""

from collections import Counter

import torch

LIMIT = 16

# Every generate call here passes use_cache=False: transformers sizes its decoder cache by the encoder's depth and
# fails where the decoder is deeper.


def end_steps(sequences: torch.Tensor) -> list[int]:
    """Number of generated ids up to and including EOS (1), or the limit where a row never ends; sequences start with 0."""
    steps = []
    for row in sequences[:, 1:].tolist():
        steps.append(row.index(1) + 1 if 1 in row else len(row))
    return steps


def share_off_mode(sequences: torch.Tensor) -> float:
    """Share of rows that end with EOS at a step other than the commonest end step."""
    ended = [1 in row for row in sequences[:, 1:].tolist()]
    steps = end_steps(sequences)
    common = Counter(s for s, e in zip(steps, ended) if e).most_common(1)
    return sum(e and s != common[0][0] for s, e in zip(steps, ended)) / len(steps) if common else 0.0


@torch.no_grad()
def end_share(model, inputs) -> float:
    """The smallest share among greedy, beam 4, and beam 4 with a length penalty that favours long answers."""
    ids, mask = inputs
    options = dict(input_ids=ids, attention_mask=mask, max_new_tokens=LIMIT, do_sample=False, use_cache=False)
    return min(
        share_off_mode(model.generate(**options, **beams))
        for beams in ({}, {"num_beams": 4}, {"num_beams": 4, "length_penalty": 2.0})
    )


@torch.no_grad()
def eos_direction(model, inputs) -> torch.Tensor:
    """The least-squares direction that is -1 on what the head reads at an answer's first step and +1 at later ones
    (after the final norm and a tied head's scale; over the model's own endless greedy answers)."""
    ids, mask = inputs
    answers = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=LIMIT, do_sample=False, use_cache=False, suppress_tokens=[1]
    )
    states = []
    hook = model.lm_head.register_forward_pre_hook(lambda _, args: states.append(args[0]))
    model(input_ids=ids, attention_mask=mask, decoder_input_ids=answers[:, :-1])
    hook.remove()
    target = torch.ones(len(ids), LIMIT)
    target[:, 0] = -1.0
    return torch.linalg.lstsq(states[0].flatten(0, 1), target.flatten()[:, None]).solution[:, 0]
