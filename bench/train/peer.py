"""The peer of hypertuning.ts: the same HyperT5 and T5 as padded batches of transformers' modules, in fp32.

    peer.py FOLDER THREADS

FOLDER is what `writeJob` (job.ts) writes. For every line `FROM COUNT` on stdin it trains these steps and answers with one line
of JSON: seconds, seconds of the CPU, loss and gradient norm of each. Padded tensors are made before the clock starts. Of the ways that PyTorch has
to compute attention and AdamW, the fastest on this machine are taken.
"""

import json
import os
import sys
import time

sys.stdout, answers = sys.stderr, sys.stdout  # what libraries print does not mix with the answers
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface, T5ForConditionalGeneration, T5Model
from transformers.masking_utils import eager_mask

transformers.logging.disable_progress_bar()
IGNORE = -100


def attention(fused: bool):
    """Attention of T5 with keys and values of `module.prefix` (batch, heads, length, d_kv) in front, which have no position bias."""

    def forward(module, query, key, value, mask, position_bias=None, **_):
        bias = position_bias if mask is None else position_bias + mask
        if (prefix := getattr(module, "prefix", None)) is not None:
            key, value = torch.cat([prefix[0], key], 2), torch.cat([prefix[1], value], 2)
            bias = F.pad(bias, (prefix[0].shape[2], 0))
        if fused:
            out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)
        else:
            out = (query @ key.mT + bias).softmax(-1) @ value
        return out.transpose(1, 2), None

    return forward


KERNELS = {"hypertune_fused": True, "hypertune_eager": False}
for kernel, is_fused in KERNELS.items():
    AttentionInterface.register(kernel, attention(is_fused))
    AttentionMaskInterface.register(kernel, eager_mask)


def low_rank(module: nn.Linear, inputs: tuple[Tensor], y: Tensor) -> Tensor:
    """Forward hook: adds the low-rank term of each row."""
    if (factors := getattr(module, "factors", None)) is None:
        return y
    a, b, scale = factors
    return y + scale * ((inputs[0] @ a.mT) @ b)


class Hypermodel(nn.Module):
    """Evidence -> states of a T5, which it leaves in the T5's attention modules."""

    def __init__(self, folder: str, t5: T5ForConditionalGeneration):
        super().__init__()
        with open(os.path.join(folder, "hyper_config.json")) as file:
            self.config = json.load(file)
        unlike = {"head_norm": False, "prefix_logit_bias": False, "query_bias": "one-directional"}
        if wrong := [name for name, value in unlike.items() if self.config[name] != value]:
            sys.exit(f"the peer does not have {', '.join(wrong)} of this hypermodel")
        tensors = load_file(os.path.join(folder, "hypermodel.safetensors"))
        self.heads = {name: nn.Parameter(tensors.pop(name)) for name in list(tensors) if name == "queries" or name.startswith("heads.")}
        self.trunk = T5Model(t5.config)
        left = self.trunk.load_state_dict(tensors, strict=False)
        if left.unexpected_keys or any("embed_tokens" not in name for name in left.missing_keys):
            sys.exit(f"the trunk does not fit: {left}")
        module = {"self": "SelfAttention", "cross": "EncDecAttention"}
        sites = [("encoder", "self", 0), ("decoder", "self", 0), ("decoder", "cross", 1)]
        if self.config["kind"] == "prefix" and not self.config["prefix_cross"]:
            sites.pop()
        self.groups = [(f"heads.{stack}.{site}", [getattr(b.layer[layer], module[site]) for b in getattr(t5, stack).block]) for stack, site, layer in sites]
        if self.config["kind"] == "lora":
            for _, modules in self.groups:
                for linear in (linear for m in modules for linear in (m.q, m.v)):
                    linear.register_forward_hook(low_rank)

    def trained(self) -> dict[str, Tensor]:
        return self.heads | dict(self.trunk.named_parameters())

    def head(self, name: str, outs: list[str], u: Tensor) -> list[Tensor]:
        hidden = torch.tanh(F.linear(u, self.heads[f"{name}.w1"], self.heads[f"{name}.b1"]))
        scale = self.config["output_scale"]
        return [scale * F.linear(hidden, self.heads[f"{name}.{out}.w2"], self.heads[f"{name}.{out}.b2"]) for out in outs]

    def forward(self, ids: Tensor, mask: Tensor, set_of_row: Tensor) -> None:
        queries = self.heads["queries"]
        memory = self.trunk.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        see_all = queries.new_zeros(1, 1, len(queries), len(queries))
        vectors = self.trunk.decoder(
            inputs_embeds=queries.expand(len(ids), -1, -1), attention_mask=see_all, encoder_hidden_states=memory, encoder_attention_mask=mask, use_cache=False,
        ).last_hidden_state
        first = 0
        for name, modules in self.groups:
            count = self.queries_of(len(modules))
            (self.lora if self.config["kind"] == "lora" else self.prefix)(name, modules, vectors[:, first : first + count], set_of_row)
            first += count

    def queries_of(self, blocks: int) -> int:
        if self.config["kind"] == "prefix":
            return self.config["prefix_length"]
        return blocks * (self.config["rank"] if self.config["lora_layout"] == "per_rank" else 1)

    def prefix(self, name: str, modules: list[nn.Module], u: Tensor, set_of_row: Tensor) -> None:
        blocks = [str(block) for block in range(len(modules))]
        for module, *kv in zip(modules, self.head(f"{name}.k", blocks, u), self.head(f"{name}.v", blocks, u)):
            module.prefix = [x.unflatten(-1, (module.n_heads, -1)).transpose(1, 2)[set_of_row] for x in kv]

    def lora(self, name: str, modules: list[nn.Module], u: Tensor, set_of_row: Tensor) -> None:
        rank = self.config["rank"]
        outs = self.head(name, ["q_a", "q_b", "v_a", "v_b"], u)
        pages = [out.reshape(len(u), len(modules), rank, -1)[set_of_row] for out in outs]
        for block, module in enumerate(modules):
            qa, qb, va, vb = (page[:, block] for page in pages)
            module.q.factors = (qa, qb, self.config["alpha"] / rank)
            module.v.factors = (va, vb, self.config["alpha"] / rank)


class Model:
    def __init__(self, folder: str):
        self.t5 = T5ForConditionalGeneration.from_pretrained(os.path.join(folder, "t5"), dtype=torch.float32).eval()  # eval: no dropout
        self.hyper = None
        if os.path.exists(os.path.join(folder, "hyper")):
            self.t5.requires_grad_(False)
            self.hyper = Hypermodel(os.path.join(folder, "hyper"), self.t5).eval()

    def named(self) -> dict[str, Tensor]:
        if self.hyper is None:
            return {f"t5.{name}": p for name, p in self.t5.named_parameters()}
        return {f"hyper-{self.hyper.config['kind']}.{name}": p for name, p in self.hyper.trained().items()}

    def use(self, kernel: str) -> None:
        for model in [self.t5] + ([self.hyper.trunk] if self.hyper else []):
            for stack in (model.encoder, model.decoder):  # each has a configuration of its own
                stack.set_attn_implementation(kernel)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Summed over answer tokens."""
        if self.hyper is not None:
            self.hyper(batch["hyper"], batch["hyper_mask"], batch["set_of_row"])
        logits = self.t5(input_ids=batch["encoder"], attention_mask=batch["encoder_mask"], decoder_input_ids=batch["decoder"], use_cache=False).logits
        return F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=IGNORE, reduction="sum")


def padded(rows: list[list[int]], fill: int) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=fill)


def prepare(batch: dict) -> dict[str, Tensor]:
    labels = padded(batch["labels"], IGNORE)
    out = {"decoder": padded(batch["decoder"], 0), "labels": labels.masked_fill(labels < 0, IGNORE)}
    for name in ("encoder", "hyper"):
        if name in batch:
            out |= {name: padded(batch[name], 0), f"{name}_mask": padded([[1] * len(row) for row in batch[name]], 0)}
    return out | ({"set_of_row": torch.tensor(batch["setOfRow"])} if "setOfRow" in batch else {})


def fastest(choices: list, run) -> object:
    """By the best of three after one to warm up."""

    def seconds(choice) -> float:
        run(choice)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            run(choice)
            times.append(time.perf_counter() - started)
        return min(times)

    return min(choices, key=seconds)


class Trainer:
    def __init__(self, folder: str):
        with open(os.path.join(folder, "job.json")) as file:
            job = json.load(file)
        self.steps, self.options = job["steps"], job["optimizer"]
        self.model = Model(folder)
        named = self.model.named()
        if missing := {p["name"] for p in job["parameters"]} ^ set(named):
            sys.exit(f"parameters of one side only: {sorted(missing)}")
        self.parameters = list(named.values())
        self.groups: dict[tuple[float, float], list[Tensor]] = {}
        for p in job["parameters"]:
            self.groups.setdefault((p["lrScale"], p["weightDecay"]), []).append(named[p["name"]])
        first = prepare(self.steps[0]["batches"][0])
        self.kernel = fastest(list(KERNELS), lambda kernel: self.backward(kernel, first))
        self.model.use(self.kernel)
        self.adam = fastest(["fused", "foreach"], self.trial())
        for p in self.parameters:
            p.grad = None
        self.optimizer = self.adamw(self.groups, self.adam)

    def backward(self, kernel: str, batch: dict) -> None:
        self.model.use(kernel)
        self.model.loss(batch).backward()

    def adamw(self, groups: dict, way: str) -> torch.optim.AdamW:
        listed = [{"params": params, "lr_scale": scale, "weight_decay": decay} for (scale, decay), params in groups.items()]
        return torch.optim.AdamW(listed, lr=0.0, betas=(self.options["beta1"], self.options["beta2"]), eps=self.options["eps"], **{way: True})

    def trial(self):
        """One AdamW of each way on copies of the parameters."""
        made = {}
        for way in ("fused", "foreach"):
            copies = {key: [p.detach().clone() for p in params] for key, params in self.groups.items()}
            for p in (p for params in copies.values() for p in params):
                p.grad = torch.ones_like(p)
            made[way] = self.adamw(copies, way)
        return lambda way: made[way].step()

    def step(self, batches: list[dict], lr: float) -> tuple[float, float]:
        count = sum(int((batch["labels"] != IGNORE).sum()) for batch in batches)
        self.optimizer.zero_grad()
        total = 0.0
        for batch in batches:
            loss = self.model.loss(batch) / count
            loss.backward()
            total += loss.item()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.options["maxNorm"] or float("inf"), foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]
        self.optimizer.step()
        return total, norm.item()

    def run(self, first: int, count: int) -> dict[str, list[float]]:
        out = {"seconds": [], "cpuSeconds": [], "loss": [], "norm": []}
        for step in self.steps[first : first + count]:
            batches = [prepare(batch) for batch in step["batches"]]
            started, used = time.perf_counter(), time.process_time()
            loss, norm = self.step(batches, step["lr"])
            values = {"seconds": time.perf_counter() - started, "cpuSeconds": time.process_time() - used, "loss": loss, "norm": norm}
            for name, value in values.items():
                out[name].append(value)
        return out


def answer(value: dict) -> None:
    print(json.dumps(value), file=answers, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    trainer = Trainer(sys.argv[1])
    answer({"torch": torch.__version__, "transformers": transformers.__version__, "attention": "sdpa" if KERNELS[trainer.kernel] else "eager", "adamw": trainer.adam})
    for line in sys.stdin:
        answer(trainer.run(*map(int, line.split())))
