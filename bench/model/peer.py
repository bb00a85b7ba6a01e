"""The peer of run.ts: transformers on the same folder, inputs and thread count.

    peer.py FOLDER THREADS DTYPE DEVICE COMPILE

For every line of JSON on stdin (a workload of workloads.ts) it answers with one: seconds and the numbers to compare. Attention is
SDPA where this version of transformers has it for T5. COMPILE 1: a static cache and torch.compile for decoding.
"""

import json
import sys
import time

sys.stdout, answers = sys.stderr, sys.stdout  # what libraries print does not mix with the answers
import torch
import transformers
from transformers import T5ForConditionalGeneration

transformers.logging.disable_progress_bar()
folder, threads, dtype, device, compiled = sys.argv[1:]
torch.set_num_threads(int(threads))


def load(attention: str) -> T5ForConditionalGeneration:
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
    return T5ForConditionalGeneration.from_pretrained(folder, dtype=kind, attn_implementation=attention).eval().to(device)


try:
    model, attention = load("sdpa"), "sdpa"
except ValueError:
    model, attention = load("eager"), "eager"
vocabulary = model.config.vocab_size
RANK = 16  # of adapters.ts
adapted = None


def with_adapters(count: int) -> T5ForConditionalGeneration:
    """The same weights under PEFT: LoRA on every q and v, B zero. A model of its own, for PEFT replaces the linears in place."""
    global adapted
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(task_type="SEQ_2_SEQ_LM", r=RANK, lora_alpha=RANK, target_modules=["q", "v"])
    if adapted is None:
        adapted = get_peft_model(load(attention), config, adapter_name="0")
    for row in range(len(adapted.peft_config), count):
        adapted.add_adapter(str(row), config)
    return adapted.eval().to(device)


def inputs(work: dict) -> torch.Tensor:
    """The formula of workloads.ts."""
    rows = torch.arange(work["rows"])[:, None] * 131
    return (2 + (rows + torch.arange(work["length"])[None] * 17 + 7) % (vocabulary - 2)).to(device)


def clock() -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.process_time() if device == "cpu" and threads == "1" else time.perf_counter()  # figures.ts counts alike


def generate(by, ids: torch.Tensor, steps: int, options: dict) -> tuple[float, torch.Tensor]:
    if compiled == "1":
        options = {**options, "cache_implementation": "static"}
    start = clock()
    tokens = by.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=steps, min_new_tokens=steps, **options)
    return clock() - start, tokens


def run(work: dict) -> dict:
    ids = inputs(work)
    if work["kind"] == "encode":
        start = clock()
        states = model.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        seconds = clock() - start
        return {"seconds": seconds, "check": states[-1, -1, :8].float().tolist()}
    own = work["adapter"] == "lora"  # a batch of several adapters
    options = {"adapter_names": [str(row) for row in range(work["rows"])]} if own else {}
    by = model if work["adapter"] == "none" else with_adapters(work["rows"] if own else 1)
    short, _ = generate(by, ids, work["shortSteps"], options)
    long, tokens = generate(by, ids, work["steps"], options)
    return {"seconds": (long - short) / (work["steps"] - work["shortSteps"]), "check": tokens[-1, 1:].tolist()}


def say(value: dict) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


with torch.inference_mode():
    say({"torch": torch.__version__, "transformers": transformers.__version__, "attention": attention, "compiled": compiled == "1"})
    for line in sys.stdin:
        say(run(json.loads(line)))
