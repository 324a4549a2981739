"""Writes the references of the test `references::efficientad`: features, maps and losses of EfficientAD (Batzner,
Heckler and Koenig, WACV 2024) without padding, with weights from a formula (CPU, f64, stored as f32). Anybody with
PyTorch can run it; no checkpoint is necessary:

    pip install torch==2.11.0 numpy safetensors
    python make.py

README.md describes the networks, the formula and the tensors. The layers follow the tables in the appendix of the
paper. Where the paper leaves a choice, they follow the public re-implementation at
github.com/nelson1425/EfficientAd: no padding in the PDN, and 1/2 for the weight of each map.
"""
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import AvgPool2d, Conv2d, Dropout, ReLU, Sequential, Upsample
from torch.nn.functional import pad

SIDE = 256
FEATURES = 384
HARD_QUANTILE = 0.999
MAP_QUANTILES = (0.9, 0.995)
BORDER = 4
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


def pdn_s(output):
    """Patch description network, small: 256 -> 253 -> 126 -> 123 -> 61 -> 59 -> 56 cells."""
    return Sequential(
        *(Conv2d(3, 128, 4), ReLU(), AvgPool2d(2, 2)),
        *(Conv2d(128, 256, 4), ReLU(), AvgPool2d(2, 2)),
        *(Conv2d(256, 256, 3), ReLU()),
        Conv2d(256, output, 4),
    )


def pdn_m(output):
    """Patch description network, medium."""
    return Sequential(
        *(Conv2d(3, 256, 4), ReLU(), AvgPool2d(2, 2)),
        *(Conv2d(256, 512, 4), ReLU(), AvgPool2d(2, 2)),
        *(Conv2d(512, 512, 1), ReLU()),
        *(Conv2d(512, 512, 3), ReLU()),
        *(Conv2d(512, output, 4), ReLU()),
        Conv2d(output, output, 1),
    )


def autoencoder():
    """Autoencoder: 256 -> 128 -> 64 -> 32 -> 16 -> 8 -> 1 cells, and back to the 56 cells of the PDN."""
    layers = []
    for channels in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 64)):
        layers += [Conv2d(*channels, 4, stride=2, padding=1), ReLU()]
    layers.append(Conv2d(64, 64, 8))
    for side in (3, 8, 15, 32, 63, 127):
        layers += [Upsample(size=side, mode="bilinear"), Conv2d(64, 64, 4, padding=2), ReLU(), Dropout(0.2)]
    layers += [Upsample(size=56, mode="bilinear"), Conv2d(64, 64, 3, padding=1), ReLU()]
    return Sequential(*layers, Conv2d(64, FEATURES, 3, padding=1))


def with_formula_weights(name, net):
    for key, tensor in net.state_dict().items():
        bound = math.sqrt(6 / tensor[0].numel()) if key.endswith("weight") else 0.1
        tensor.copy_(uniform(f"{name}.{key}", tensor.shape, bound))
    return net.double().eval()


def reference(pdn):
    """The tensors of one file. `pdn` builds the teacher and the student."""
    image = uniform("image", (1, 3, SIDE, SIDE), 2.0).double()
    teacher = with_formula_weights("teacher", pdn(FEATURES))(image)
    student = with_formula_weights("student", pdn(2 * FEATURES))(image)
    auto = with_formula_weights("autoencoder", autoencoder())(image)
    to_teacher, to_autoencoder = student.chunk(2, dim=1)

    mean = teacher.mean((0, 2, 3), keepdim=True)
    std = (teacher - mean).square().mean((0, 2, 3), keepdim=True).sqrt()
    f_t = (teacher - mean) / std

    distances = (f_t - to_teacher).square()
    hard = distances[distances >= torch.quantile(distances.flatten(), HARD_QUANTILE)].mean()
    losses = [hard, (f_t - auto).square().mean(), (auto - to_autoencoder).square().mean()]

    map_st = distances.mean(1)
    map_ae = (auto - to_autoencoder).square().mean(1)
    quantiles = torch.stack(
        [torch.quantile(values.flatten(), q) for values in (map_st, map_ae) for q in MAP_QUANTILES]
    )
    st_start, st_end, ae_start, ae_end = quantiles
    combined = 0.5 * (0.1 * (map_st - st_start) / (st_end - st_start))
    combined += 0.5 * (0.1 * (map_ae - ae_start) / (ae_end - ae_start))

    tensors = {
        "teacher.stds": std.flatten(),
        "losses": torch.stack(losses),
        "map_st": map_st,
        "map_ae": map_ae,
        "quantiles": quantiles,
        "map_combined": pad(combined, (BORDER,) * 4),
    }
    features = {
        "teacher": teacher,
        "student_teacher": to_teacher,
        "student_autoencoder": to_autoencoder,
        "autoencoder": auto,
    }
    for name, value in features.items():
        tensors[f"{name}.means"] = value.mean((0, 2, 3))
        tensors[f"{name}.samples"] = value[:, ::16, ::5, ::5]
    return {name: value.float().contiguous() for name, value in tensors.items()}


def main():
    torch.set_num_threads(1)
    with torch.no_grad():
        for name, pdn in (("pdn-s", pdn_s), ("pdn-m", pdn_m)):
            save_file(reference(pdn), str(Path(__file__).parent / f"{name}.safetensors"))


if __name__ == "__main__":
    main()
