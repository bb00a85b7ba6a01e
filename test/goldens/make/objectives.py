"""Losses of ten steps of every training objective and of every feature of the optimisers."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5ForConditionalGeneration
from transformers.optimization import Adafactor

from . import hyper_model as model
from .common import versions, write_json

STEPS = 10
# `train`: t5, hyper or both; names that match `frozen` stay as they are.
DEFAULTS = {"hyper": None, "train": ["t5"], "frozen": None, "optimizer": "adamw", "lr": 3e-3, "weight_decay": 0.01, "eps": 1e-8, "max_norm": 1.0, "microbatches": 1, "average": None}
CASES = {
    "supervised rows": {"batches": "supervised"},
    "span corruption": {"batches": "spans"},
    "masked examples": {"batches": "masked"},
    "prefix-LM": {"batches": "prefixes"},
    "frozen encoder": {"batches": "supervised", "frozen": "t5.encoder.*"},
    "hypertuning, prefix": {"batches": "episodes", "hyper": "prefix", "train": ["hyper"]},
    "hypertuning, LoRA": {"batches": "episodes", "hyper": "lora", "train": ["hyper"]},
    "hypertuning, frozen trunk encoder": {"batches": "episodes", "hyper": "lora", "train": ["hyper"], "frozen": "hyper.encoder.*"},
    "CACLM, prefix": {"batches": "caclm", "hyper": "prefix", "train": ["hyper"]},
    "CACLM, LoRA": {"batches": "caclm", "hyper": "lora", "train": ["hyper"]},
    "HyperTuning+": {"batches": "episodes", "hyper": "prefix", "train": ["t5", "hyper"]},
    "Adafactor": {"batches": "supervised", "optimizer": "adafactor", "lr": 3e-2, "weight_decay": 0.0},
    "two accumulations": {"batches": "supervised", "microbatches": 2},
    # Adam hardly feels the size of gradients unless epsilon is of their order.
    "clipping": {"batches": "supervised", "max_norm": 0.3, "eps": 3e-3},
    "no clipping": {"batches": "supervised", "max_norm": 1e9, "eps": 3e-3},
    "average": {"batches": "episodes", "hyper": "lora", "train": ["hyper"], "average": 0.8},
}


def start(prefix: str, shapes: dict) -> dict:
    return {f"{prefix}.{name}": model.draw(f"{prefix}.{name}", shape, *model.spread(name)) for name, shape in shapes.items()}


def part(weights: dict, prefix: str) -> dict:
    return {name[len(prefix) + 1 :]: value for name, value in weights.items() if name.startswith(prefix + ".")}


def loss_of(weights: dict, kind: str | None, batch: dict) -> tuple[torch.Tensor, int]:
    states = [model.generate(kind, part(weights, "hyper"), ids) for ids in batch["hyper"]] if kind else []
    base = part(weights, "t5")
    losses = []
    for row, (inputs, labels) in enumerate(zip(batch["encoder"], batch["labels"])):
        losses.append(model.T5(base, **(states[batch["setOfRow"][row]] if kind else {})).loss(inputs, labels))
    return sum(losses), sum(map(len, batch["labels"]))


def run(case: dict, batches: list[dict]) -> dict:
    weights = start("t5", model.t5_shapes()) | (start("hyper", model.hyper_shapes(case["hyper"])) if case["hyper"] else {})
    trained = {name: value for name, value in weights.items() if name.split(".")[0] in case["train"] and not (case["frozen"] and fnmatchcase(name, case["frozen"]))}
    for value in trained.values():
        value.requires_grad_(True)
    if case["optimizer"] == "adamw":
        optimiser = torch.optim.AdamW(trained.values(), lr=case["lr"], betas=(0.9, 0.999), eps=case["eps"], weight_decay=case["weight_decay"], foreach=False)
    else:
        optimiser = Adafactor(trained.values(), lr=case["lr"], relative_step=False, weight_decay=case["weight_decay"])
    average = {name: torch.zeros_like(value) for name, value in trained.items()}
    losses, norms, micro = [], [], case["microbatches"]
    for step in range(STEPS):
        optimiser.zero_grad()
        results = [loss_of(weights, case["hyper"], batches[(step * micro + m) % len(batches)]) for m in range(micro)]
        loss = sum(l for l, _ in results) / sum(n for _, n in results)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained.values(), case["max_norm"])))
        losses.append(loss.item())
        optimiser.step()
        if case["average"]:
            average = {name: case["average"] * average[name] + (1 - case["average"]) * value.detach() for name, value in trained.items()}
    found = {"losses": losses, "gradient_norms": norms}
    with torch.no_grad():
        total, count = loss_of(weights, case["hyper"], batches[0])
        found["final_loss"] = float(total / count)
        if case["average"]:
            correction = 1 - case["average"] ** STEPS
            total, count = loss_of(weights | {name: value / correction for name, value in average.items()}, case["hyper"], batches[0])
            found["average_loss"] = float(total / count)
    return found


def check_against_transformers(batches: list[dict]) -> None:
    """The T5 of hyper_model.py is transformers' T5."""
    config = T5Config(
        vocab_size=model.VOCABULARY, d_model=model.D, d_kv=model.D_KV, d_ff=model.D_FF, num_heads=model.HEADS, num_layers=model.ENCODER, num_decoder_layers=model.DECODER,
        feed_forward_proj="gated-gelu", dropout_rate=0.0, tie_word_embeddings=True, scale_decoder_outputs=True, decoder_start_token_id=0, pad_token_id=0,
    )
    theirs = T5ForConditionalGeneration(config).eval()
    weights = start("t5", model.t5_shapes())
    missing, unexpected = theirs.load_state_dict(part(weights, "t5"), strict=False)
    assert not unexpected and all("embed_tokens" in name or name == "lm_head.weight" for name in missing), (missing, unexpected)
    theirs.tie_weights()
    with torch.no_grad():
        for inputs, labels in zip(batches[0]["encoder"], batches[0]["labels"]):
            expected = theirs(input_ids=torch.tensor([inputs]), labels=torch.tensor([labels])).loss * len(labels)
            found = model.T5(part(weights, "t5")).loss(inputs, labels)
            assert abs(found - expected) < 1e-5 * abs(expected), (found, expected)


def make_objectives(root: Path) -> None:
    batches = json.loads((Path(__file__).parents[1] / "training" / "batches.json").read_text())
    check_against_transformers(batches["supervised"])
    cases = {name: DEFAULTS | case for name, case in CASES.items()}
    write_json(root / "training" / "objectives.json", {"versions": versions(), "cases": {name: {**case, **run(case, batches[case["batches"]])} for name, case in cases.items()}})
