"""What PEFT computes with an adapter folder: the golden that stands beside it."""

import hashlib
import json
import warnings
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

from .batches import parity_batches
from .common import load, relative_error, versions
from .parity import forward, ids

ANSWER_LIMIT = 8


def load_adapter(base: Path, folder: Path) -> PeftModel:
    """The base with the adapter of `folder`. PEFT ignores tensors it cannot place and only warns of missing ones:
    here either is an error, and so is a value that changed on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PeftModel.from_pretrained(load(base), folder).eval()
        placed = get_peft_model_state_dict(model)
    stored = load_file(folder / "adapter_model.safetensors")
    if stored.keys() != placed.keys():
        raise ValueError(f"{folder}: PEFT placed {sorted(placed)} but the file holds {sorted(stored)}")
    for name, tensor in stored.items():
        if not torch.equal(tensor.float(), placed[name].float()):
            raise ValueError(f"{folder}: {name} changed while loading")
    return model


def virtual_inputs(config: dict) -> int:
    """Rows that the method puts in front of the encoder's input."""
    return config["num_virtual_tokens"] if config["peft_type"] == "PROMPT_TUNING" else 0


@torch.no_grad()
def golden(base: Path, folder: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and description of the base's `short` parity batch under the adapter of `folder`."""
    config = json.loads((folder / "adapter_config.json").read_text())
    plain, model = load(base), load_adapter(base, folder)
    batch = parity_batches(base.name, plain.config.vocab_size)["short"]
    out = model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, decoder_input_ids=batch.decoder_input_ids
    )
    rows = virtual_inputs(config)
    mask = torch.nn.functional.pad(batch.attention_mask, (rows, 0), value=1)
    states = out.encoder_last_hidden_state * mask[:, :, None]
    logits = out.logits * batch.label_mask[:, :, None]
    # Only prefix tuning needs the cache; elsewhere it fails where the decoder is deeper than the encoder.
    answers = model.generate(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, max_new_tokens=ANSWER_LIMIT, do_sample=False,
        use_cache=config["peft_type"] == "PREFIX_TUNING", return_dict_in_generate=True, output_scores=True,
    )
    tops = torch.stack(answers.scores).topk(2, -1).values
    going = torch.stack([(answers.sequences[:, : t + 1] != 1).all(1) for t in range(len(answers.scores))])
    sequences = [row[1:] for row in answers.sequences.tolist()]
    tensors = {**ids("short", batch), "short.encoder_states": states, "short.logits": logits}
    return tensors, {
        "base": f"models/{base.name}",
        "peft_type": config["peft_type"],
        "versions": versions(),
        "virtual_rows_before_encoder_states": rows,
        "logits_change_from_base": relative_error(logits, forward(plain, batch)["logits"]),
        "greedy": {
            "max_new_tokens": ANSWER_LIMIT,
            "sequences": [row[: row.index(1) + 1] if 1 in row else row for row in sequences],
            "smallest_gap_between_best_and_second_logit": float((tops[..., 0] - tops[..., 1])[going].min()),
        },
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("adapter_config.json", "adapter_model.safetensors")
        },
    }
