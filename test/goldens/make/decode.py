"""Greedy and beam answers under every option, and likelihoods of given answers."""

from collections import Counter
from pathlib import Path

import torch

from .batches import batch, decode_inputs
from .common import load, seed, versions, write_json
from .endings import LIMIT, share_off_mode
from .families import FAMILIES

POOL, ROWS = 96, 12

PENALTIES = {
    "no_repeat_ngram_2": {"no_repeat_ngram_size": 2},
    "no_repeat_ngram_3": {"no_repeat_ngram_size": 3},
    "repetition_penalty_1.3": {"repetition_penalty": 1.3},
    "min_length_7": {"min_length": 7},
    "min_new_tokens_5": {"min_new_tokens": 5},
}


def cases(vetoes: dict[str, dict], full: bool) -> dict[str, dict]:
    """Case name -> generate() options beside max_new_tokens; the whole grid if `full`, else the plain two."""
    found = {"greedy": {}, "beam4": {"num_beams": 4}}
    if not full:
        return found
    extra = {**PENALTIES, **vetoes}
    found |= {f"greedy.{name}": options for name, options in extra.items()}
    found["greedy.combined"] = {"no_repeat_ngram_size": 2, "repetition_penalty": 1.2, "min_length": 4}
    for early, word in ((True, "true"), (False, "false"), ("never", "never")):
        for penalty in (0.6, 1.0, 2.0):
            found[f"beam4.early_{word}.length_penalty_{penalty:g}"] = {
                "num_beams": 4, "early_stopping": early, "length_penalty": penalty,
            }
    found["beam4.return_4"] = {"num_beams": 4, "num_return_sequences": 4}
    found["beam4.return_2.early_never.length_penalty_2"] = {
        "num_beams": 4, "num_return_sequences": 2, "early_stopping": "never", "length_penalty": 2.0,
    }
    found["beam3.length_penalty_0"] = {"num_beams": 3, "length_penalty": 0.0}
    found["beam4.length_penalty_-1"] = {"num_beams": 4, "length_penalty": -1.0}
    found |= {f"beam4.{name}": {"num_beams": 4, **options} for name, options in extra.items()}
    return found


@torch.no_grad()
def run(model, ids, mask, options: dict) -> tuple[torch.Tensor, list[float] | None]:
    out = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=LIMIT, do_sample=False, use_cache=False,
        return_dict_in_generate=True, output_scores=True, **options,
    )
    sequences = torch.nn.functional.pad(out.sequences, (0, 1 + LIMIT - out.sequences.shape[1]))
    return sequences, out.sequences_scores.tolist() if "num_beams" in options else None


def shaken(folder: Path, number: int):
    """The model with every weight changed by about 3e-5 of itself: far more than another order of summation does."""
    model = load(folder)
    seed(3000 + number)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + 3e-5 * torch.randn_like(parameter))
    return model


def stable_answers(folder: Path, ids, mask, grid: dict[str, dict]) -> dict[int, list[torch.Tensor]]:
    """Pool row -> its answers [returned, 1 + LIMIT] in every case, for the rows whose every answer survives two shaken
    models: no near ties to argue about."""
    models = [load(folder), shaken(folder, 1), shaken(folder, 2)]
    steady = torch.ones(len(ids), dtype=torch.bool)
    answers = []
    for options in grid.values():
        first, *others = (run(model, ids, mask, options)[0].view(len(ids), -1, 1 + LIMIT) for model in models)
        for other in others:
            steady &= (first == other).flatten(1).all(1)
        answers.append(first)
    return {row: [case[row] for case in answers] for row in steady.nonzero()[:, 0].tolist()}


def must_vary(name: str) -> bool:
    """Whether at least 30 % of a case's rows have to end off the commonest step: all but those whose options
    move or forbid the ending itself."""
    return name in ("greedy", "beam4") or "length_penalty" in name or "return" in name


def varied(answers: dict[int, list[torch.Tensor]]) -> list[int]:
    """ROWS rows, the first one endless in the first case, the others added one by one where they raise the smallest
    share over the cases most."""
    chosen = [next(row for row, cases in answers.items() if 1 not in cases[0][0, 1:])]

    def shares(rows: list[int]) -> tuple[float, float]:
        each = [share_off_mode(torch.cat(case)) for case in zip(*(answers[row] for row in rows))]
        return min(each), sum(each)

    while len(chosen) < ROWS:
        chosen.append(max((r for r in answers if r not in chosen), key=lambda r: (shares([*chosen, r]), -r)))
    return sorted(chosen)


def strip(row: list[int]) -> list[int]:
    """Generated ids: the start id removed, cut behind EOS."""
    ids = row[1:]
    return ids[: ids.index(1) + 1] if 1 in ids else ids


@torch.no_grad()
def likelihoods(model, vocab: int) -> list[dict]:
    """Sum of log p over a candidate's ids, EOS among them, for four candidates under each of three inputs."""
    found = []
    for number, length in enumerate((9, 4, 12)):
        one = batch(vocab, [length] * 4, [2, 5, 3, 7], 40 + number)
        one.input_ids = one.input_ids[:1].expand(4, -1).contiguous()
        out = model(input_ids=one.input_ids, attention_mask=one.attention_mask, decoder_input_ids=one.decoder_input_ids)
        logp = out.logits.log_softmax(-1).gather(-1, one.labels.clamp(min=0)[:, :, None])[:, :, 0]
        lengths = one.label_lengths.tolist()
        found.append({"input": one.input_ids[0].tolist(), "candidates": [
            {"ids": one.labels[i, :n].tolist(), "token_log_probabilities": logp[i, :n].tolist(),
             "sum_log_probability": float(logp[i, :n].double().sum())}
            for i, n in enumerate(lengths)
        ]})
    return found


def family_decode(root: Path, family: str, full: bool) -> None:
    folder = root / "models" / family
    model = load(folder)
    vocab = model.config.vocab_size
    ids, mask = decode_inputs(vocab, POOL)
    plain = run(model, ids, mask, {})[0][:, 1:].flatten()
    common = [token for token, _ in Counter(plain.tolist()).most_common() if token > 1]
    pairs = Counter(zip(plain[:-1].tolist(), plain[1:].tolist()))
    pair = next(p for p, _ in pairs.most_common() if p[0] != p[1] and min(p) > 1)
    grid = cases({
        "bad_words": {"bad_words_ids": [[common[0]], list(pair), [common[2], common[1], common[2]]]},
        "suppress_tokens": {"suppress_tokens": [common[1], common[3]]},
        "begin_suppress_tokens": {"begin_suppress_tokens": [common[0], 1]},
    }, full)
    stable = stable_answers(folder, ids, mask, grid)
    chosen = varied({row: [a for name, a in zip(grid, answers) if must_vary(name)] for row, answers in stable.items()})
    ids, mask = ids[chosen], mask[chosen]
    described = []
    for name, options in grid.items():
        sequences, scores = run(model, ids, mask, options)
        share = share_off_mode(sequences)
        answers = [strip(row) for row in sequences.tolist()]
        described.append({
            "name": name, "options": {"max_new_tokens": LIMIT, **options},
            "returned_per_input": options.get("num_return_sequences", 1), "sequences": answers,
            **({"sequence_scores": scores} if scores else {}),
            "end_steps": [len(a) if a[-1] == 1 else None for a in answers],
            "share_ending_off_the_commonest_step": round(share, 3),
        })
        assert share >= 0.3 or not must_vary(name), (family, name, share)
    print(family, f"{len(stable)} of {POOL} rows stable;", "shares", sorted(
        (d["share_ending_off_the_commonest_step"], d["name"]) for d in described)[:3],
        "distinct answers", len({tuple(map(tuple, d["sequences"])) for d in described}), "of", len(described))
    write_json(root / "decode" / f"{family}.json", {
        "model": f"models/{family}", "versions": versions(), "inputs": [
            row[: int(m.sum())] for row, m in zip(ids.tolist(), mask)
        ], "cases": described, "likelihood": likelihoods(model, vocab),
    })


def make_decode(root: Path) -> None:
    for family in FAMILIES:
        family_decode(root, family, family in ("t5-v1.0", "t5-v1.1"))
