"""Shared settings: threads, seeds, file writing. Everything that makes two runs byte-identical lives here."""

import json
import random
import re
from importlib.metadata import version
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, MT5ForConditionalGeneration, T5ForConditionalGeneration
from transformers.utils import logging

CLASSES = {"t5": T5ForConditionalGeneration, "mt5": MT5ForConditionalGeneration}


def settle() -> None:
    """One thread and deterministic kernels, so that sums have one order."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def seed(value: int) -> None:
    random.seed(value)
    numpy.random.seed(value)
    torch.manual_seed(value)


def versions() -> dict[str, str]:
    return {name: version(name).split("+")[0] for name in ("torch", "transformers", "peft", "safetensors")}


def load(folder: Path, dtype: torch.dtype = torch.float32):
    """The model of `folder`, weights cast to `dtype`, dropout off, plain (eager) attention."""
    cls = CLASSES[AutoConfig.from_pretrained(folder).model_type]
    return cls.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def write_json(path: Path, value) -> None:
    """Indented, with each list of plain values on one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, ensure_ascii=False)
    text = re.sub(r"\[\s*([^\[\]{}]*?)\s*\]", lambda found: "[" + re.sub(r"\s*\n\s*", " ", found[1]) + "]", text)
    path.write_text(text + "\n")


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})


def relative_error(got: torch.Tensor, want: torch.Tensor) -> float:
    """max |got - want| / max |want|; both hold zeros at padded positions."""
    return float((got.double() - want.double()).abs().max() / want.double().abs().max())
