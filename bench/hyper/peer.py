"""The peer of run.ts: the same hypermodel and T5 as transformers' modules (those of bench/train/peer.py), all in one type.

    peer.py FOLDER THREADS DTYPE DEVICE SIZES

For every line on stdin it writes an adapter, or trains a step, and answers with one line of JSON: seconds, and the loss before the step or the
first numbers written.
"""

import importlib.util
import json
import os
import sys
import time

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train", "peer.py")
spec = importlib.util.spec_from_file_location("train_peer", path)
train = importlib.util.module_from_spec(spec)
spec.loader.exec_module(train)
import torch

folder, threads, dtype, device = sys.argv[1:5]
sizes = json.loads(sys.argv[5])
torch.set_num_threads(int(threads))
kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]

model = train.Model(folder)
model.t5.to(device, kind)
model.hyper.to(device, kind)
for parameter in model.hyper.heads.values():
    parameter.data = parameter.data.to(device, kind)
model.use("hypertune_fused")
vocabulary = model.t5.config.vocab_size


def ids(rows: int, length: int) -> torch.Tensor:
    """The formula of run.ts."""
    steps = torch.arange(rows)[:, None] * 131 + torch.arange(length)[None] * 17 + 7
    return (2 + steps % (vocabulary - 2)).to(device)


def batch() -> dict[str, torch.Tensor]:
    rows = sizes["rows"]
    evidence, encoder, decoder = ids(rows, sizes["evidence"]), ids(rows, sizes["length"]), ids(rows, sizes["answer"])
    return {
        "hyper": evidence, "hyper_mask": torch.ones_like(evidence), "set_of_row": torch.arange(rows, device=device),
        "encoder": encoder, "encoder_mask": torch.ones_like(encoder), "decoder": decoder, "labels": decoder,
    }


if sizes["kind"] == "training":
    rows = batch()
    optimizer = torch.optim.AdamW(list(model.hyper.trained().values()), lr=sizes["rate"], fused=True)
else:
    evidence = ids(1, sizes["evidence"])
    one = torch.zeros(1, dtype=torch.long, device=device)


def run() -> dict:
    if sizes["kind"] == "generate":
        with torch.inference_mode():
            model.hyper(evidence, torch.ones_like(evidence), one)
        return {"check": model.hyper.groups[0][1][0].q.factors[0][0, 0, :8].float().tolist()}
    optimizer.zero_grad()
    loss = model.loss(rows) / rows["labels"].numel()
    loss.backward()
    optimizer.step()
    return {"loss": loss.item()}


def clock() -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.process_time() if device == "cpu" and threads == "1" else time.perf_counter()  # run.ts counts alike


train.answer({"torch": torch.__version__})
for line in sys.stdin:
    start = clock()
    found = run()
    train.answer({"seconds": clock() - start} | found)
