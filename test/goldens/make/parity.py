"""Encoder states, logits, loss, gradients and an AdamW trajectory of every family; position buckets."""

from pathlib import Path

import torch
from transformers.models.t5.modeling_t5 import T5Attention

from .batches import Batch, parity_batches
from .common import load, relative_error, versions, write_json, write_tensors
from .families import FAMILIES, VARIANTS
from .training import ADAMW, adamw_losses, loss_and_gradients


@torch.no_grad()
def forward(model, batch: Batch) -> dict[str, torch.Tensor]:
    """`encoder_states` [B, S, d] and `logits` [B, T, V] as fp32, zeros at padded positions."""
    out = model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, decoder_input_ids=batch.decoder_input_ids
    )
    return {
        "encoder_states": out.encoder_last_hidden_state.float() * batch.attention_mask[:, :, None],
        "logits": out.logits.float() * batch.label_mask[:, :, None],
    }


def ids(name: str, batch: Batch) -> dict[str, torch.Tensor]:
    return {
        f"{name}.input_ids": batch.input_ids.int(),
        f"{name}.input_lengths": batch.input_lengths.int(),
        f"{name}.labels": batch.labels.int(),
        f"{name}.decoder_input_ids": batch.decoder_input_ids.int(),
        f"{name}.decoder_lengths": batch.label_lengths.int(),
    }


def family_parity(root: Path, family: str) -> None:
    folder = root / "models" / family
    model = load(folder)
    half, double = load(folder, torch.bfloat16), load(folder, torch.float64)
    batches = parity_batches(family, model.config.vocab_size)
    tensors: dict[str, torch.Tensor] = {}
    described: dict[str, dict] = {}
    for name, batch in batches.items():
        single = forward(model, batch)
        rounded = forward(half, batch)
        exact = forward(double, batch)
        tensors |= ids(name, batch)
        tensors |= {f"{name}.{key}": value for key, value in single.items()}
        tensors |= {f"{name}.{key}_bf16": value for key, value in rounded.items()}
        described[name] = {
            "input_lengths": batch.input_lengths.tolist(),
            "decoder_lengths": batch.label_lengths.tolist(),
            "answer_tokens": int(batch.label_mask.sum()),
            "loss": loss_and_gradients(model, batch)[0],
            "bf16_relative_error": {key: relative_error(rounded[key], single[key]) for key in single},
            "fp32_relative_error_to_fp64": {key: relative_error(single[key], exact[key]) for key in single},
        }
    loss, gradients = loss_and_gradients(model, batches["short"])
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients.values()]))
    tensors |= {f"grad.{name}": gradient for name, gradient in gradients.items()}
    order = ["short", "other"] * 5
    losses, norms = adamw_losses(load(folder), [batches[name] for name in order])
    exact_losses, _ = adamw_losses(double, [batches[name] for name in order])
    write_tensors(root / "parity" / f"{family}.safetensors", tensors)
    write_json(root / "parity" / f"{family}.json", {
        "model": f"models/{family}", "versions": versions(), "batches": described,
        "gradient": {"batch": "short", "loss": loss, "global_norm": float(norm), "parameters": list(gradients)},
        "adamw": {
            **ADAMW, "decayed": "every parameter", "batches": order, "losses": losses, "gradient_norms": norms,
            "losses_fp64": exact_losses,
        },
    })
    print(family, {n: d["bf16_relative_error"] for n, d in described.items()}, [round(x, 4) for x in losses])
    print("   fp64 drift", max(abs(a - b) / b for a, b in zip(losses, exact_losses)), "decoder", max(
        d["fp32_relative_error_to_fp64"]["logits"] for d in described.values()))


def variant_parity(root: Path, variant: str) -> None:
    """What the stored (rounded) weights give in fp32 arithmetic."""
    model = load(root / "models" / variant)
    batch = parity_batches(VARIANTS[variant][0], model.config.vocab_size)["short"]
    write_tensors(root / "parity" / f"{variant}.safetensors", {
        **ids("short", batch), **{f"short.{key}": value for key, value in forward(model, batch).items()},
    })
    write_json(root / "parity" / f"{variant}.json", {
        "model": f"models/{variant}", "versions": versions(), "batches": {"short": {
            "input_lengths": batch.input_lengths.tolist(), "decoder_lengths": batch.label_lengths.tolist(),
            "answer_tokens": int(batch.label_mask.sum()), "loss": loss_and_gradients(model, batch)[0],
        }},
    })


def bucket_tables(root: Path) -> None:
    """Bucket of every relative position (key - query) in -512..512 for several table sizes."""
    positions = torch.arange(-512, 513)
    write_json(root / "parity" / "buckets.json", {"first_relative_position": -512, "tables": [
        {
            "num_buckets": buckets, "max_distance": distance, "bidirectional": bidirectional,
            "buckets": T5Attention._relative_position_bucket(positions, bidirectional, buckets, distance).tolist(),
        }
        for buckets, distance in ((32, 128), (20, 50), (32, 256), (8, 20)) for bidirectional in (True, False)
    ]})


def make_parity(root: Path) -> None:
    for family in FAMILIES:
        family_parity(root, family)
    for variant in VARIANTS:
        variant_parity(root, variant)
    bucket_tables(root)
