"""The peer of run.ts: the same ops in PyTorch, bf16.

    peer.py DEVICE RUNS

For every line of JSON on stdin (sizes of comparisons.ts) it answers with one: the median of RUNS batches, in seconds per call. On a
CUDA device a call is captured into a graph and replayed, as ours is, so that neither side pays for launches from the host; but for
backward passes, which autograd keeps on the stream of their forward pass and which are long enough to hide launches.
"""

import json
import sys
import time

sys.stdout, answers = sys.stderr, sys.stdout  # what libraries print does not mix with the answers
import torch
from torch.nn import functional as F

device, runs = sys.argv[1], int(sys.argv[2])
torch.manual_seed(1)


def draw(*shape: int, scale: float = 1.0, grad: bool = False) -> torch.Tensor:
    return (torch.randn(*shape, device=device) * scale).bfloat16().requires_grad_(grad)


def linear(w: dict):
    x = draw(w["rows"] * w["length"], w["in"])
    weights = [draw(out, w["in"], scale=w["in"] ** -0.5) for out in w["outs"]]
    return lambda: [F.linear(x, weight) for weight in weights]


def lora(w: dict):
    """Low-rank terms of every row beside the product, as PEFT computes them for one adapter."""
    x = draw(w["rows"], w["length"], w["in"])
    terms = [(draw(out, w["in"], scale=w["in"] ** -0.5), draw(w["rows"], w["in"], w["rank"]), draw(w["rows"], w["rank"], out)) for out in w["outs"]]
    return lambda: [F.linear(x, weight) + 0.5 * torch.bmm(torch.bmm(x, a), b) for weight, a, b in terms]


def attention(w: dict):
    """Keys of the prefix stand in front; the dense bias is 0 for them, and trained."""
    back, shape = w["backward"], (w["rows"], w["heads"])
    q = draw(*shape, w["length"], w["head"], grad=back)
    k, v = (draw(*shape, w["prefix"] + w["length"], w["head"], scale=s, grad=back) for s in (0.3, 1.0))
    bias = draw(1, w["heads"], w["length"], w["prefix"] + w["length"], grad=back)
    call = lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(w["rows"], -1, -1, -1), scale=1.0)
    if not back:
        return call
    o, upstream = call(), draw(*shape, w["length"], w["head"])
    return lambda: torch.autograd.grad(o, (q, k, v, bias), upstream, retain_graph=True)


def decode_attention(w: dict):
    shape = (w["rows"], w["heads"])
    q, k, v = draw(*shape, 1, w["head"]), draw(*shape, w["length"], w["head"], scale=0.3), draw(*shape, w["length"], w["head"])
    bias = draw(1, w["heads"], 1, w["length"])
    return lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(w["rows"], -1, -1, -1), scale=1.0)


def cross_entropy(w: dict):
    """In the backward pass the gradients of the states and of the head's matrix product, as ours without dW: the head is frozen."""
    x, weight = draw(w["tokens"], w["d"], scale=w["d"] ** -0.5, grad=w["backward"]), draw(w["vocabulary"], w["d"])
    labels = torch.randint(w["vocabulary"], (w["tokens"],), device=device)
    call = lambda: F.cross_entropy(F.linear(x, weight).float(), labels, reduction="sum")
    if not w["backward"]:
        return call
    loss = call()
    return lambda: torch.autograd.grad(loss, (x,), retain_graph=True)


def rms_norm(w: dict):
    x, residual, gain = draw(w["tokens"], w["d"]), draw(w["tokens"], w["d"]).float(), draw(w["d"]).float()

    def call():
        h = residual + x
        return F.rms_norm(h, (w["d"],), gain, 1e-6).bfloat16(), h

    return call


def hyper_heads(w: dict):
    u, first, b1 = draw(w["tokens"], w["d"]), draw(w["d"], w["d"], scale=w["d"] ** -0.5), draw(w["d"])
    heads = [(draw(out, w["d"], scale=0.1), draw(out)) for out in w["outs"]]

    def call():
        t = torch.tanh(F.linear(u, first, b1))
        return [F.linear(t, weight, b) for weight, b in heads]

    return call


def wait() -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def captured(call):
    """The call as a graph; warmed up on another stream, as PyTorch asks for."""
    if device != "cuda":
        return call
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def seconds(run, times: int) -> float:
    wait()
    start = time.perf_counter()
    for _ in range(times):
        run()
    wait()
    return (time.perf_counter() - start) / times


def say(value: dict) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


OPS = {f.__name__: f for f in (linear, lora, attention, decode_attention, cross_entropy, rms_norm, hyper_heads)}
say({"torch": torch.__version__, "cuda": torch.version.cuda})
prepared: dict[str, object] = {}
for line in sys.stdin:
    if line not in prepared:
        if len(prepared) == 2:  # a comparison has at most two peers
            prepared.clear()
        work = json.loads(line)
        call = OPS[work["op"]](work)
        prepared[line] = call if work.get("backward") else captured(call)
        seconds(prepared[line], 3)
    run = prepared[line]
    batch = max(1, min(200, int(2e-3 / seconds(run, 3))))
    times = sorted(seconds(run, batch) for _ in range(runs))
    say({"seconds": times[len(times) // 2]})
