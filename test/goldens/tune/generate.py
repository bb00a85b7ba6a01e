"""Ten AdamW steps on the parameters of a PEFT adapter, the T5 frozen: `python generate.py [--out FOLDER]` writes losses.json.

The start of each case is an adapter folder of ../peft, whose values are all away from their no-op start. Versions: ../requirements.txt.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDENS = HERE.parent
sys.path.insert(0, str(GOLDENS))

if os.environ.get("PYTHONHASHSEED") != "0":
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"})

import torch
from peft import PeftModel

from make.batches import parity_batches
from make.common import load, settle, versions, write_json
from make.training import ADAMW, _loss

STEPS = 10

# case -> (base model, learning rate). A prefix whose layers share rows (an even number of layers) is no adapter of its own here.
CASES = {
    "lora-qv": ("t5-v1.1", 1e-2),
    "lora-ragged": ("flan", 1e-2),
    "prefix-ln3": ("prefix-ln3", 3e-2),
    "prompt": ("t5-v1.1", 1e-1),
}


def rows(ids: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    return [row[:length].tolist() for row, length in zip(ids, lengths)]


def run(case: str) -> dict:
    base, rate = CASES[case]
    folder = GOLDENS / "peft" / case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PeftModel.from_pretrained(load(GOLDENS / "models" / base), folder).eval()
    # PEFT refuses `is_trainable` for prefixes and prompts, so every kind is made trainable here.
    model.peft_config["default"].inference_mode = False
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name or "prompt_encoder" in name
    batches = parity_batches(base, model.config.vocab_size)
    used = {name: batches[name] for name in ("short", "other")}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        trained, lr=rate, betas=tuple(ADAMW["betas"]), eps=ADAMW["epsilon"], weight_decay=ADAMW["weight_decay"], foreach=False,
    )
    losses, norms = [], []
    names = ["short" if step % 2 == 0 else "other" for step in range(STEPS)]
    for name in names:
        optimiser.zero_grad()
        loss = _loss(model, batches[name])
        loss.backward()
        losses.append(loss.item())
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained, ADAMW["clip_global_norm"])))
        optimiser.step()
    with torch.no_grad():
        losses.append(float(_loss(model, batches[names[0]])))
    print(case, [round(x, 4) for x in losses])
    return {"adapter": f"peft/{case}", "base": f"models/{base}", "learning_rate": rate, "order": names, "batches": {
        name: {"input_ids": rows(batch.input_ids, batch.input_lengths), "labels": rows(batch.labels, batch.label_lengths)} for name, batch in used.items()
    }, "trained_values": sum(p.numel() for p in trained), "losses": losses, "gradient_norms": norms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="where to write (default: beside this script)")
    out = parser.parse_args().out
    settle()
    write_json(out / "losses.json", {"versions": versions(), "adamw": {k: v for k, v in ADAMW.items() if k != "learning_rate"}, "cases": {case: run(case) for case in CASES}})


if __name__ == "__main__":
    main()
