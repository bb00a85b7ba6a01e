"""Ten updates of transformers' Adafactor, bias-corrected averages, and learning-rate schedules."""

from pathlib import Path

import torch
from transformers.optimization import (
    Adafactor, get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup, get_inverse_sqrt_schedule, get_linear_schedule_with_warmup,
)

from .common import seed, versions, write_json

SHAPES = {"matrix": [5, 7], "tall": [9, 2], "vector": [6], "stack": [2, 3, 4]}
STEPS = 10
MODES = {
    "given rate": dict(lr=0.05, relative_step=False),
    "relative step": dict(lr=None, relative_step=True),
    "relative step, warm-up": dict(lr=None, relative_step=True, warmup_init=True, scale_parameter=False),
    "first moment and decay": dict(lr=0.05, relative_step=False, scale_parameter=False, beta1=0.9, weight_decay=0.1, clip_threshold=0.5, decay_rate=-0.5, eps=(1e-20, 1e-2)),
}
EMA_DECAY = 0.8


def trajectory(initial: dict, gradients: list[dict], options: dict) -> dict:
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in initial.items()}
    optimiser = Adafactor(parameters.values(), **options)
    average = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in initial.items()}
    seen = {}
    for step, gradient in enumerate(gradients):
        for name, parameter in parameters.items():
            parameter.grad = gradient[name].clone()
        optimiser.step()
        for name, parameter in parameters.items():
            average[name] = EMA_DECAY * average[name] + (1 - EMA_DECAY) * parameter.detach().double()
        if step in (0, STEPS - 1):
            seen[f"after_{step + 1}"] = flat(parameters)
    correction = 1 - EMA_DECAY**STEPS
    return seen | {"average": flat({name: (value / correction).float() for name, value in average.items()})}


def flat(tensors: dict) -> dict:
    """Values in 9 digits, which give every float32 back."""
    return {name: [float(f"{x:.9g}") for x in tensor.detach().flatten().tolist()] for name, tensor in tensors.items()}


def schedules() -> dict:
    makers = {
        "cosine": lambda o: get_cosine_schedule_with_warmup(o, 10, 50),
        "linear": lambda o: get_linear_schedule_with_warmup(o, 10, 50),
        "constant": lambda o: get_constant_schedule_with_warmup(o, 10),
        "inverse-sqrt": lambda o: get_inverse_sqrt_schedule(o, 10),
    }
    rates = {}
    for name, make in makers.items():
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
        schedule = make(optimiser)
        rates[name] = []
        for _ in range(56):
            rates[name].append(schedule.get_last_lr()[0])
            optimiser.step()
            schedule.step()
    return {"peak": 0.02, "warmup": 10, "steps": 50, "rates": rates}


def make_optimizers(root: Path) -> None:
    seed(7)
    # Sizes that differ between rows, columns and steps, and one row without any gradient in the first half.
    initial = {name: torch.randn(shape) * 0.3 for name, shape in SHAPES.items()}
    gradients = []
    for step in range(STEPS):
        gradient = {name: torch.randn(shape) * torch.logspace(-2, 1, shape[-1]) for name, shape in SHAPES.items()}
        if step < STEPS // 2:
            gradient["matrix"][2] = 0
        gradients.append(gradient)
    write_json(root / "training" / "optimizers.json", {
        "versions": versions(), "shapes": SHAPES, "initial": flat(initial), "gradients": [flat(gradient) for gradient in gradients], "ema_decay": EMA_DECAY,
        "adafactor": {name: {"options": options, **trajectory(initial, gradients, options)} for name, options in MODES.items()},
        "schedules": schedules(),
    })
