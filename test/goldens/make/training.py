"""Token-mean loss, gradients, and a short AdamW run (dropout off throughout)."""

import torch

from .batches import Batch

ADAMW = {
    "learning_rate": 1e-3, "betas": [0.9, 0.999], "epsilon": 1e-8, "weight_decay": 0.01, "clip_global_norm": 1.0,
}


def _loss(model, batch: Batch) -> torch.Tensor:
    return model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels).loss


def loss_and_gradients(model, batch: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    """Mean cross-entropy over the labels other than -100, and the gradient of each distinct parameter by its
    checkpoint name (a tied head appears once, as `shared.weight`, both uses summed)."""
    model.zero_grad()
    loss = _loss(model, batch)
    loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    return loss.item(), gradients


def adamw_losses(model, batches: list[Batch]) -> tuple[list[float], list[float]]:
    """One step per batch: (losses before each step and after the last on the first batch, gradient norms before clipping)."""
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=ADAMW["learning_rate"], betas=tuple(ADAMW["betas"]), eps=ADAMW["epsilon"],
        weight_decay=ADAMW["weight_decay"], foreach=False,
    )
    losses, norms = [], []
    for batch in batches:
        optimiser.zero_grad()
        loss = _loss(model, batch)
        loss.backward()
        losses.append(loss.item())
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW["clip_global_norm"])))
        optimiser.step()
    with torch.no_grad():
        losses.append(float(_loss(model, batches[0])))
    return losses, norms
