"""Writes the reference of the test `references::adam`: weights and moments of torch.optim.Adam (PyTorch 2.11, CPU,
f32) for gradients from a formula. Anybody with PyTorch can run it:

    pip install torch==2.11.0 numpy safetensors
    python make.py

Two runs of 20 steps, `decay0` and `decay0.05` (weight_decay). The learning rate is 0.01, from step 13 on 0.001.
The gradients of `bias` are as small as eps, those of `matrix` are a thousandth of those of `kernel`.

    RUN.step{1,2,12,13,20}.NAME   weights after that step
    RUN.mean.NAME, RUN.square.NAME   exp_avg and exp_avg_sq after the last step
"""
from pathlib import Path

import torch
from safetensors.torch import save_file

SHAPES = {"kernel": (4, 3, 2, 2), "matrix": (6, 5), "bias": (7,)}
GRADIENTS = {"kernel": 1.0, "matrix": 1e-3, "bias": 3e-8}
STEPS = 20
DROP = 13
KEPT = (1, 2, 12, 13, 20)
LOW_32_BITS = 0xFFFFFFFF


def uniform(name, shape, bound):
    """f32 values in [-bound, bound): a hash (FNV-1a) of the name, mixed with the row-major index."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & LOW_32_BITS
    x = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    x = (seed + x * 0x9E3779B9) & LOW_32_BITS
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & LOW_32_BITS
    x = ((x ^ (x >> 15)) * 0x846CA68B) & LOW_32_BITS
    x = x ^ (x >> 16)
    unit = (x >> 8).float() / 2**23 - 1
    return (unit * torch.tensor(bound, dtype=torch.float32)).reshape(shape)


torch.set_num_threads(1)
reference = {}
for decay in (0, 0.05):
    weights = {name: uniform(name, shape, 1.0) for name, shape in SHAPES.items()}
    adam = torch.optim.Adam(weights.values(), lr=0.01, weight_decay=decay)
    for step in range(1, STEPS + 1):
        adam.param_groups[0]["lr"] = 0.01 if step < DROP else 0.001
        for name, weight in weights.items():
            weight.grad = uniform(f"{name}.gradient{step}", weight.shape, GRADIENTS[name])
        adam.step()
        if step in KEPT:
            reference |= {f"decay{decay}.step{step}.{name}": weight.clone() for name, weight in weights.items()}
    for name, weight in weights.items():
        state = adam.state[weight]
        reference[f"decay{decay}.mean.{name}"] = state["exp_avg"]
        reference[f"decay{decay}.square.{name}"] = state["exp_avg_sq"]
save_file(reference, str(Path(__file__).parent / "adam.safetensors"))
