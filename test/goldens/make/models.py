"""Random weights for a configuration, saved as a Hugging Face folder whose greedy decoding ends at varied steps."""

import copy
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from .batches import decode_inputs, parity_batches
from .common import CLASSES, load, relative_error, seed, write_json, write_tensors
from .endings import end_share, eos_direction
from .families import FAMILIES, PREFIX_BASES, VARIANTS
from .parity import forward

DRAWS, ENOUGH = 8, 0.4

# Largest error that transformers' own bf16 may make on the parity batches: well under the 3e-2 of the tests.
ROUNDING = 2.5e-2


def random_weights(config: dict) -> dict[str, torch.Tensor]:
    """Weights under checkpoint names. Scores and position biases are O(1), norm gains differ from 1, and the
    sub-layers move the residual stream enough that outputs depend on the context and not only on the last token."""
    d, ff, vocab, heads = (config[k] for k in ("d_model", "d_ff", "vocab_size", "num_heads"))
    inner = heads * config["d_kv"]
    tied = config.get("tie_word_embeddings", True)
    gated = config.get("feed_forward_proj", "relu").startswith("gated")
    weights: dict[str, torch.Tensor] = {"shared.weight": torch.randn(vocab, d)}

    def norm(name: str, mean: float = 1.0) -> None:
        weights[f"{name}.weight"] = mean * (1 + 0.2 * torch.randn(d))

    def linear(name: str, rows: int, cols: int, std: float) -> None:
        weights[f"{name}.weight"] = std * torch.randn(rows, cols)

    # With a tied head the last token predicts itself unless the sub-layers outweigh its embedding.
    push = (1.4 if gated else 1.8) if tied else 1.2

    def attention(name: str) -> None:
        linear(f"{name}.q", inner, d, (d * config["d_kv"]) ** -0.5)
        linear(f"{name}.k", inner, d, d**-0.5)
        linear(f"{name}.v", inner, d, 1.2 * d**-0.5)
        linear(f"{name}.o", d, inner, push * inner**-0.5)

    def feed_forward(name: str) -> None:
        for part in ("wi_0", "wi_1") if gated else ("wi",):
            linear(f"{name}.{part}", ff, d, 1.2 * d**-0.5)
        linear(f"{name}.wo", d, ff, push * ff**-0.5)

    def bias(name: str) -> None:
        linear(f"{name}.relative_attention_bias", config["relative_attention_num_buckets"], heads, 0.8)

    for stack, layers in (("encoder", config["num_layers"]), ("decoder", config["num_decoder_layers"])):
        cross = stack == "decoder"
        for i in range(layers):
            block = f"{stack}.block.{i}.layer"
            attention(f"{block}.0.SelfAttention")
            norm(f"{block}.0.layer_norm")
            if i == 0:
                bias(f"{block}.0.SelfAttention")
            if cross:
                attention(f"{block}.1.EncDecAttention")
                norm(f"{block}.1.layer_norm")
            feed_forward(f"{block}.{2 if cross else 1}.DenseReluDense")
            norm(f"{block}.{2 if cross else 1}.layer_norm")
        # A tied head is scaled by d^-0.5, which would leave flat logits behind a unit gain.
        norm(f"{stack}.final_layer_norm", 3.0 if cross and tied else 1.0)
    if not tied:
        linear("lm_head", vocab, d, 3.0 * d**-0.5)
    return weights


def _legacy_extras(name: str, config: dict, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Redundant tensors that published checkpoints of the family carry and that a reader has to ignore."""
    if name == "t5-v1.0":
        unused = torch.randn(config["relative_attention_num_buckets"], config["num_heads"])
        return {"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight": unused}
    if name == "flan":
        return {f"{stack}.embed_tokens.weight": weights["shared.weight"].clone() for stack in ("encoder", "decoder")}
    return {}


def bf16_error(model, family: str) -> float:
    """The larger error of states and logits over the parity batches when everything runs in bf16."""
    half = copy.deepcopy(model).to(torch.bfloat16)
    errors = []
    for batch in parity_batches(family, model.config.vocab_size).values():
        single, rounded = forward(model, batch), forward(half, batch)
        errors += [relative_error(rounded[key], single[key]) for key in single]
    return max(errors)


def _write(folder: Path, name: str, config: dict, weights: dict, extras_seed: int) -> None:
    seed(extras_seed)
    write_json(folder / "config.json", {**config, "dtype": "float32"} if config["model_type"] == "mt5" else config)
    write_json(folder / "generation_config.json", {
        "_from_model_config": True, "decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    })
    write_tensors(folder / "model.safetensors", {**weights, **_legacy_extras(name, config, weights)})


def make_model(root: Path, name: str, config: dict, number: int) -> dict:
    """Writes one folder. The head's EOS row is raised along `eos_direction`, by the factor of a grid that makes endings
    vary most; draws follow each other until that is enough. The tweak is in the file: no reader needs to know of it."""
    folder = root / "models" / name
    inputs = decode_inputs(config["vocab_size"], 24)
    best: tuple[float, float, int] = (-1.0, 0.0, 0)
    for draw in range(DRAWS):
        seed(1000 + 100 * draw + number)
        weights = random_weights(config)
        head = "lm_head.weight" if "lm_head.weight" in weights else "shared.weight"
        kept = weights[head][1].clone()
        _write(folder, name, config, weights, 2000 + number)
        model = load(folder)
        direction = eos_direction(model, inputs)
        for factor in range(2, 21, 2):
            model.lm_head.weight.data[1] = kept + factor * direction
            share = end_share(model, inputs)
            if share > best[0] and (name in PREFIX_BASES or bf16_error(model, name) <= ROUNDING):
                best = (share, factor, draw)
                chosen = {**weights, head: model.lm_head.weight.data.clone()}
        if best[0] >= ENOUGH:
            break
    _write(folder, name, config, chosen, 2000 + number)
    return {"share_of_rows_ending_off_the_commonest_step": best[0], "eos_raised_by": best[1], "draw": best[2]}


def make_variant(root: Path, name: str, source: str, dtype: str) -> None:
    """The source family's weights as `save_pretrained` writes them: its own config fields, maybe shards, and
    (in float16) every `wo` kept in float32."""
    folder = root / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    model = load(root / "models" / source, getattr(torch, dtype))
    size = {"max_shard_size": "90KB"} if name.endswith("sharded") else {}
    model.save_pretrained(folder, **size)


def make_models(root: Path) -> None:
    for number, (name, config) in enumerate({**FAMILIES, **PREFIX_BASES}.items()):
        print(name, make_model(root, name, config, number))
    for name, (source, dtype) in VARIANTS.items():
        make_variant(root, name, source, dtype)
        again, first = load(root / "models" / name), load(root / "models" / source)
        if dtype == "float32":
            for key, value in first.state_dict().items():
                assert torch.equal(value, again.state_dict()[key]), key
        tensors = {k: str(v.dtype) for f in (root / "models" / name).glob("*.safetensors") for k, v in load_file(f).items()}
        print(name, len(tensors), "tensors", sorted(set(tensors.values())))
    assert set(CLASSES) == {config["model_type"] for config in FAMILIES.values()}
