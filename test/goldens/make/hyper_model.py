"""A HyperT5 in plain PyTorch, one row at a time: no padding, no batching, nothing shared with what it checks but the formulas."""

import math

import torch
from torch import Tensor
from torch.nn.functional import embedding, gelu
from transformers.models.t5.modeling_t5 import T5Attention

D, D_KV, D_FF, HEADS, ENCODER, DECODER, VOCABULARY = 20, 6, 28, 4, 2, 3, 4100
INNER = HEADS * D_KV
BUCKETS, MAX_DISTANCE, EPSILON = 32, 128, 1e-6
RANK, ALPHA, PREFIX = 3, 6, 5
MASK = 2**32 - 1


def t5_shapes() -> dict[str, list[int]]:
    shapes = {"shared.weight": [VOCABULARY, D]}
    for stack, blocks in (("encoder", ENCODER), ("decoder", DECODER)):
        shapes[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = [BUCKETS, HEADS]
        for block in range(blocks):
            modules = ["SelfAttention"] + (["EncDecAttention"] if stack == "decoder" else []) + ["DenseReluDense"]
            for layer, module in enumerate(modules):
                path = f"{stack}.block.{block}.layer.{layer}"
                shapes[f"{path}.layer_norm.weight"] = [D]
                if module == "DenseReluDense":
                    shapes |= {f"{path}.{module}.wi_0.weight": [D_FF, D], f"{path}.{module}.wi_1.weight": [D_FF, D], f"{path}.{module}.wo.weight": [D, D_FF]}
                else:
                    shapes |= {f"{path}.{module}.{w}.weight": [INNER, D] for w in "qkv"} | {f"{path}.{module}.o.weight": [D, INNER]}
        shapes[f"{stack}.final_layer_norm.weight"] = [D]
    return shapes


def sites(kind: str) -> list[tuple[str, str, int]]:
    """(stack, site, blocks) in the order of the queries; prefixes stay out of cross-attention."""
    every = [("encoder", "self", ENCODER), ("decoder", "self", DECODER), ("decoder", "cross", DECODER)]
    return every if kind == "lora" else every[:2]


def hyper_shapes(kind: str) -> dict[str, list[int]]:
    queries = sum(blocks if kind == "lora" else PREFIX for _, _, blocks in sites(kind))
    shapes = t5_shapes() | {"queries": [queries, D]}

    def head(name: str, outs: dict[str, int]) -> None:
        shapes.update({f"{name}.w1": [D, D], f"{name}.b1": [D]})
        for out, width in outs.items():
            shapes.update({f"{name}.{out}.w2": [width, D], f"{name}.{out}.b2": [width]})

    for stack, site, blocks in sites(kind):
        if kind == "lora":
            head(f"heads.{stack}.{site}", {f"{t}_{f}": RANK * (D if f == "a" else INNER) for t in "qv" for f in "ab"})
        else:
            for part in "kv":
                head(f"heads.{stack}.{site}.{part}", {str(block): INNER for block in range(blocks)})
    return shapes


def spread(name: str) -> tuple[float, float]:
    """Mean and bound of a parameter's uniform start: T5's own sizes, heads that say something."""
    if name.endswith("norm.weight"):
        return 1.0, 0.3
    if name in ("shared.weight", "queries"):
        return 0.0, 1.7
    if "relative_attention_bias" in name:
        return 0.0, 1.0
    if name.endswith("Attention.q.weight"):
        return 0.0, math.sqrt(3 / (D * D_KV))
    if name.endswith("wo.weight"):
        return 0.0, math.sqrt(3 / D_FF)
    if name.endswith(("_b.w2", "_b.b2")):
        return 0.0, 0.03  # larger ones make gradients so large that ten steps are chaotic
    return 0.0, 0.3 if name.endswith((".b1", ".b2")) else math.sqrt(3 / D)


def draw(key: str, shape: list[int], mean: float, bound: float) -> Tensor:
    """mean + bound * u, u in [-1, 1) from a hash of name and position (murmur3's finaliser), so that nothing has to be stored."""
    seed = 2166136261
    for c in key.encode():
        seed = ((seed ^ c) * 16777619) & MASK
    x = (torch.arange(math.prod(shape), dtype=torch.int64) * 2654435761 + seed) & MASK
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & MASK
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & MASK
    x = x ^ (x >> 16)
    return (mean + bound * (x.double() / 2**31 - 1)).float().reshape(shape)


def norm(x: Tensor, gain: Tensor) -> Tensor:
    return gain * x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPSILON)


class T5:
    def __init__(self, weights: dict[str, Tensor], low_rank: dict | None = None, prefix: dict | None = None):
        self.weights, self.low_rank, self.prefix = weights, low_rank or {}, prefix or {}

    def linear(self, path: str, x: Tensor) -> Tensor:
        y = x @ self.weights[f"{path}.weight"].T
        if path not in self.low_rank:
            return y
        a, b = self.low_rank[path]
        return y + ALPHA / RANK * (x @ a.T) @ b

    def bias(self, stack: str, queries: int, keys: int, bidirectional: bool) -> Tensor:
        """[heads, queries, keys]"""
        distance = torch.arange(keys)[None, :] - torch.arange(queries)[:, None]
        bucket = T5Attention._relative_position_bucket(distance, bidirectional, BUCKETS, MAX_DISTANCE)
        return self.weights[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"][bucket].permute(2, 0, 1)

    def attention(self, path: str, site: str, x: Tensor, memory: Tensor, bias: Tensor | None) -> Tensor:
        heads = lambda y: y.reshape(len(y), HEADS, D_KV).transpose(0, 1)
        q, k, v = self.linear(f"{path}.q", x), self.linear(f"{path}.k", memory), self.linear(f"{path}.v", memory)
        scores = heads(q) @ heads(k).transpose(1, 2)
        scores = scores if bias is None else scores + bias
        if site in self.prefix:
            pk, pv = self.prefix[site]
            scores = torch.cat([heads(q) @ heads(pk).transpose(1, 2), scores], -1)
            v = torch.cat([pv, v])
        return self.linear(f"{path}.o", (scores.softmax(-1) @ heads(v)).transpose(0, 1).reshape(len(x), INNER))

    def feed_forward(self, path: str, x: Tensor) -> Tensor:
        return self.linear(f"{path}.wo", gelu(self.linear(f"{path}.wi_0", x), approximate="tanh") * self.linear(f"{path}.wi_1", x))

    def stack(self, stack: str, x: Tensor, blocks: int, bias: Tensor, memory: Tensor | None) -> Tensor:
        for block in range(blocks):
            layer = 0

            def path(module: str) -> str:
                return f"{stack}.block.{block}.layer.{layer}.{module}"

            u = norm(x, self.weights[path("layer_norm.weight")])
            x = x + self.attention(path("SelfAttention"), f"{stack}.block.{block}.self", u, u, bias)
            layer += 1
            if memory is not None:
                u = norm(x, self.weights[path("layer_norm.weight")])
                x = x + self.attention(path("EncDecAttention"), f"{stack}.block.{block}.cross", u, memory, None)
                layer += 1
            x = x + self.feed_forward(path("DenseReluDense"), norm(x, self.weights[path("layer_norm.weight")]))
        return norm(x, self.weights[f"{stack}.final_layer_norm.weight"])

    def encode(self, ids: Tensor) -> Tensor:
        return self.stack("encoder", embedding(ids, self.weights["shared.weight"]), ENCODER, self.bias("encoder", len(ids), len(ids), True), None)

    def decode(self, x: Tensor, memory: Tensor, causal: bool) -> Tensor:
        bias = self.bias("decoder", len(x), len(x), False)
        if causal:
            bias = bias + torch.full((len(x), len(x)), -math.inf).triu(1)
        return self.stack("decoder", x, DECODER, bias, memory)

    def loss(self, inputs: list[int], labels: list[int]) -> Tensor:
        """-sum log p of the labels, decoded behind the start id 0; the head is tied."""
        table = self.weights["shared.weight"]
        states = self.decode(embedding(torch.tensor([0, *labels[:-1]]), table), self.encode(torch.tensor(inputs)), True)
        logits = D**-0.5 * states @ table.T
        return -logits.log_softmax(-1)[torch.arange(len(labels)), torch.tensor(labels)].sum()


def generate(kind: str, weights: dict[str, Tensor], ids: list[int]) -> dict:
    """What a hypermodel emits for one evidence set, as arguments of T5."""
    trunk = T5(weights)
    vectors = trunk.decode(weights["queries"], trunk.encode(torch.tensor(ids)), False)
    head = lambda name, out, u: torch.tanh(u @ weights[f"{name}.w1"].T + weights[f"{name}.b1"]) @ weights[f"{name}.{out}.w2"].T + weights[f"{name}.{out}.b2"]
    states, first = {}, 0
    for stack, site, blocks in sites(kind):
        count = blocks if kind == "lora" else PREFIX
        rows, first = vectors[first : first + count], first + count
        name = f"heads.{stack}.{site}"
        for block in range(blocks):
            if kind == "prefix":
                states[f"{stack}.block.{block}.{site}"] = tuple(head(f"{name}.{part}", str(block), rows) for part in "kv")
                continue
            layer, module = (0, "SelfAttention") if site == "self" else (1, "EncDecAttention")
            for target in "qv":
                factors = (head(name, f"{target}_{f}", rows[block]).reshape(RANK, -1) for f in "ab")
                states[f"{stack}.block.{block}.layer.{layer}.{module}.{target}"] = tuple(factors)
    return {"low_rank" if kind == "lora" else "prefix": states}
