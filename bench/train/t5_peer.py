"""The peer of t5.ts: a training step of transformers' T5 on the same folder and rows.

    t5_peer.py FOLDER THREADS DTYPE ROWS LENGTH ANSWER RATE

For every number on stdin it trains so many steps and answers with their seconds and losses. Attention is SDPA where this version of
transformers has it for T5, AdamW fused.
"""

import contextlib
import json
import sys
import time

sys.stdout, answers = sys.stderr, sys.stdout  # what libraries print does not mix with the answers
import torch
import transformers
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration

transformers.logging.disable_progress_bar()
folder, threads, dtype = sys.argv[1:4]
rows, length, answer = map(int, sys.argv[4:7])
torch.set_num_threads(int(threads))
clock = time.process_time if threads == "1" else time.perf_counter  # figures.ts counts alike


def load(attention: str) -> T5ForConditionalGeneration:
    return T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention).eval()  # eval: no dropout


try:
    model, attention = load("sdpa"), "sdpa"
except ValueError:
    model, attention = load("eager"), "eager"
optimizer = torch.optim.AdamW(model.parameters(), lr=float(sys.argv[7]), weight_decay=0.0, fused=True)
vocabulary = model.config.vocab_size
ids = 2 + (torch.arange(rows)[:, None] * 131 + torch.arange(length)[None] * 17 + 7) % (vocabulary - 2)  # the formula of workloads.ts
labels = ids[:, :answer]
decoder = F.pad(labels[:, :-1], (1, 0))


def step() -> float:
    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16) if dtype == "bf16" else contextlib.nullcontext():
        logits = model(input_ids=ids, decoder_input_ids=decoder, use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
    optimizer.step()
    return loss.item()


def say(value: dict) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


say({"torch": torch.__version__, "transformers": transformers.__version__, "attention": attention, "autocast": dtype == "bf16"})
for line in sys.stdin:
    out = {"seconds": [], "losses": []}
    for _ in range(int(line)):
        started = clock()
        out["losses"].append(step())
        out["seconds"].append(clock() - started)
    say(out)
