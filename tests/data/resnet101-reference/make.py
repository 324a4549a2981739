"""Writes the references of the test `references::resnet101`: the features of torchvision's wide_resnet101_2 and
resnext101_32x8d (`layer2`, `layer3`; CPU, f64, stored as f32) with weights from a formula. Anybody with PyTorch
can run it; no checkpoint is necessary:

    pip install torch==2.11.0 torchvision==0.26.0 numpy safetensors
    python make.py

Every tensor is centre + bound u, where u in [-1, 1) is a hash of the tensor's torchvision name and the index:

    tensor                          centre   bound
    convolution                     0        sqrt(6 / fan in)
    weight of bn3                   0.1      0.05
    weight of downsample.1          0.5      0.2
    weight of every other norm      1        0.3
    bias of a norm, running_mean    0        0.2
    running_var                     1        0.7
    image [1, 3, 64, 64] ("image")  0        2

LAYER.means [C] are means over the cells. LAYER.samples contains every 8th channel, all cells.
"""
import math
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file

SIDE = 64
LOW_32_BITS = 0xFFFFFFFF


def uniform(name, shape, centre, bound):
    """f32 values in [centre - bound, centre + bound): a hash (FNV-1a) of the name, mixed with the row-major
    index."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & LOW_32_BITS
    x = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    x = (seed + x * 0x9E3779B9) & LOW_32_BITS
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & LOW_32_BITS
    x = ((x ^ (x >> 15)) * 0x846CA68B) & LOW_32_BITS
    x = x ^ (x >> 16)
    unit = (x >> 8).float() / 2**23 - 1
    bound, centre = (torch.tensor(value, dtype=torch.float32) for value in (bound, centre))
    return (unit * bound + centre).reshape(shape)


def centre_and_bound(name, tensor):
    if tensor.dim() == 4:
        return 0.0, math.sqrt(6 / tensor[0].numel())
    if name.endswith("running_var"):
        return 1.0, 0.7
    if name.endswith(("running_mean", "bias")):
        return 0.0, 0.2
    if name.endswith("bn3.weight"):
        return 0.1, 0.05
    return (0.5, 0.2) if name.endswith("downsample.1.weight") else (1.0, 0.3)


def main():
    torch.set_num_threads(1)
    image = uniform("image", (1, 3, SIDE, SIDE), 0.0, 2.0).double()
    for name in ("wide_resnet101_2", "resnext101_32x8d"):
        net = getattr(torchvision.models, name)(weights=None)
        net.layer4 = net.fc = torch.nn.Identity()
        for key, tensor in net.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                tensor.copy_(uniform(key, tensor.shape, *centre_and_bound(key, tensor)))
        net = net.double().eval()
        reference = {}
        with torch.no_grad():
            x = net.maxpool(net.relu(net.bn1(net.conv1(image))))
            for layer in ("layer1", "layer2", "layer3"):
                x = getattr(net, layer)(x)
                if layer != "layer1":
                    reference[f"{layer}.means"] = x.mean((0, 2, 3)).float()
                    reference[f"{layer}.samples"] = x[:, ::8].float().contiguous()
        save_file(reference, str(Path(__file__).parent / f"{name}.safetensors"))


if __name__ == "__main__":
    main()
