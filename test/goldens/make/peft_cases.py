"""Adapter folders written by PEFT, with random weights, and their goldens."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from peft import (
    IA3Config, LNTuningConfig, LoraConfig, PeftConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model,
)

from .adapters import golden
from .common import load, seed, write_json, write_tensors

TASK = {"task_type": "SEQ_2_SEQ_LM"}
FFN = ["wi_0", "wi_1", "wo"]


def _lora(**fields) -> LoraConfig:
    return LoraConfig(**TASK, **fields)


def _prefix(**fields) -> PrefixTuningConfig:
    return PrefixTuningConfig(**TASK, **fields)


# case -> (base model, configuration)
CASES: dict[str, tuple[str, Callable[[], PeftConfig]]] = {
    "lora-qv": ("t5-v1.1", lambda: _lora(r=4, lora_alpha=6, target_modules=["q", "v"])),
    "lora-all-linear": ("t5-v1.1", lambda: _lora(r=3, lora_alpha=8, target_modules="all-linear")),
    "lora-ragged": ("flan", lambda: _lora(
        r=2, lora_alpha=4, target_modules=["q", "v", "o", "wi_0", "wo"],
        rank_pattern={r"encoder\.block\.0\.layer\.0\.SelfAttention\.q": 5, r"EncDecAttention\.v": 1, "wo": 3},
        alpha_pattern={r"encoder\.block\.0\.layer\.0\.SelfAttention\.q": 2, r"decoder\.block\.1\..*\.o": 7, "wi_0": 3},
    )),
    "lora-rslora": ("mt5", lambda: _lora(r=5, lora_alpha=3, use_rslora=True, target_modules=["k", "o", *FFN])),
    "lora-v1.0-tied": ("t5-v1.0", lambda: _lora(r=4, lora_alpha=4, target_modules=["q", "k", "v", "o", "wi", "wo"])),
    "lora-one-block": ("t5-tied-gated", lambda: _lora(
        r=2, lora_alpha=5, target_modules=["SelfAttention.q", "EncDecAttention.v"], layers_to_transform=[1],
        layers_pattern="block",
    )),
    "lora-bias": ("t5-v1.1", lambda: _lora(r=2, lora_alpha=6, lora_bias=True, target_modules=["q", "v"])),
    "lora-head": ("t5-v1.1", lambda: _lora(r=2, lora_alpha=2, target_modules=["v", "lm_head"])),
    "dora": ("flan", lambda: _lora(r=3, lora_alpha=6, use_dora=True, target_modules=["q", "v", "wo"])),
    "ia3-v1.0": ("t5-v1.0", lambda: IA3Config(**TASK, target_modules=["k", "v", "wo"], feedforward_modules=["wo"])),
    "ia3-mt5": ("mt5", lambda: IA3Config(**TASK)),
    "ln-tuning": ("flan", lambda: LNTuningConfig(**TASK)),
    "prompt": ("t5-v1.1", lambda: PromptTuningConfig(**TASK, num_virtual_tokens=5)),
    "prompt-one-submodule": ("t5-v1.0", lambda: PromptTuningConfig(
        **TASK, num_virtual_tokens=3, num_transformer_submodules=1)),
    "prefix-ln2": ("prefix-ln2", lambda: _prefix(num_virtual_tokens=4)),
    "prefix-ln3": ("prefix-ln3", lambda: _prefix(num_virtual_tokens=3)),
    "prefix-ln4": ("prefix-ln4", lambda: _prefix(num_virtual_tokens=5)),
    "prefix-token-dim": ("prefix-inner", lambda: _prefix(num_virtual_tokens=3, token_dim=40)),
    "prefix-flan-token-dim": ("flan", lambda: _prefix(num_virtual_tokens=2, token_dim=48)),
    "prefix-projection": ("prefix-ln3", lambda: _prefix(
        num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=11)),
}


@torch.no_grad()
def randomise(model) -> None:
    """Every trained tensor away from its no-op start: factors random, gains around their start."""
    for name, parameter in sorted(model.named_parameters()):
        if not parameter.requires_grad:
            continue
        noise = torch.randn(parameter.shape)
        if "lora_A" in name:
            parameter.copy_(noise * parameter.shape[-1] ** -0.5)
        elif "lora_B" in name:
            parameter.copy_(0.3 * noise)
        elif "lora_magnitude" in name or "ia3_l" in name or "ln_tuning" in name:
            parameter.mul_(1 + 0.3 * noise)
        elif "transform" in name:
            parameter.copy_(0.5 * noise)
        else:
            parameter.copy_(noise)


def make_case(root: Path, name: str, number: int) -> None:
    base, config = CASES[name]
    folder = root / "peft" / name
    shutil.rmtree(folder, ignore_errors=True)
    seed(5000 + number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(load(root / "models" / base), config()).eval()
        randomise(model)
        model.peft_config["default"].base_model_name_or_path = base
        model.save_pretrained(folder)
    (folder / "README.md").unlink()
    tensors, described = golden(root / "models" / base, folder)
    assert described["logits_change_from_base"] > 0.05, (name, described)
    print(name, round(described["logits_change_from_base"], 3), described["greedy"])
    assert described["greedy"]["smallest_gap_between_best_and_second_logit"] > 2e-3, name
    write_tensors(folder / "golden.safetensors", tensors)
    write_json(folder / "golden.json", described)


def make_peft(root: Path) -> None:
    for number, name in enumerate(CASES):
        make_case(root, name, number)
