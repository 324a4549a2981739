"""MHKD's training step in PyTorch, for comparison with mhkd in `make bench`.

The layers are those of src/network/layer_tables.rs, the training is the paper's: batch 1, Adam, a frozen
teacher, the sum of three losses. Prints the same JSON fields as `mhkd bench train --json`:

    bench_pytorch.py --preset medium --precision bf16 --steps 5
    bench_pytorch.py --table mhkd.jsonl pytorch.jsonl
"""

import argparse
import json
import resource
import statistics
import time
from collections import defaultdict
from contextlib import nullcontext

WIDTHS = {
    "medium": {"encoder1": (128, 128, 256, 512), "encoder2": (512, 512), "structural": (512, 512), "logical": (128, 256)},
    "small": {"encoder1": (64, 64, 128, 128), "encoder2": (256, 256), "structural": (256, 256), "logical": (96, 128)},
}
FEATURES, BOTTLENECK, DROPOUT = 384, 64, 0.2
ALPHA, BETA, GAMMA = 1.0, 1.0, 2.0
WARM_UP_STEPS = 2


def networks(torch, preset, side):
    """Returns teacher, SEncoder1, SEncoder2, LDecoder and GDecoder for features of `side` pixels."""
    from torch import nn

    def conv(*shape):  # in, out, kernel, padding, stride
        return nn.Conv2d(*shape[:3], padding=shape[3], stride=shape[4] if len(shape) > 4 else 1)

    def up(to):
        return nn.Upsample(size=(to, to), mode="bicubic", align_corners=False)

    def pool(kind):
        return kind(2, stride=2, padding=1)

    relu, dropout = nn.ReLU, lambda: nn.Dropout(DROPOUT)
    if preset == "medium":
        teacher = [
            conv(3, 256, 4, 3), relu(), pool(nn.AvgPool2d), conv(256, 512, 4, 3), relu(), pool(nn.AvgPool2d),
            conv(512, 512, 1, 0), relu(), conv(512, 512, 3, 1), relu(), conv(512, FEATURES, 4, 0), relu(),
            conv(FEATURES, FEATURES, 1, 0),
        ]  # fmt: skip
    else:
        teacher = [
            conv(3, 128, 4, 3), relu(), pool(nn.AvgPool2d), conv(128, 256, 4, 3), relu(), pool(nn.AvgPool2d),
            conv(256, 256, 3, 1), relu(), conv(256, FEATURES, 4, 0),
        ]  # fmt: skip
    width = WIDTHS[preset]
    a, b, c, d = width["encoder1"]
    encoder1 = [
        conv(3, a, 4, 3), relu(), pool(nn.MaxPool2d), conv(a, b, 4, 3), relu(), conv(b, c, 3, 1), relu(),
        pool(nn.MaxPool2d), conv(c, d, 1, 0), relu(), conv(d, FEATURES, 4, 0), relu(), conv(FEATURES, FEATURES, 1, 0),
    ]  # fmt: skip
    a, high = width["encoder2"]
    encoder2 = [conv(FEATURES, a, 4, 1, 2), relu(), conv(a, high, 4, 1, 2), relu()]
    a, b = width["structural"]
    structural = [
        up(side // 2), conv(high, a, 4, 2), relu(), dropout(), up(side), conv(a, b, 3, 1), relu(),
        conv(b, FEATURES, 1, 0), relu(), conv(FEATURES, FEATURES, 1, 0),
    ]  # fmt: skip
    a, b = width["logical"]
    logical = [conv(high, BOTTLENECK, side // 4, 0)]
    for to, channels in [(side // 16, BOTTLENECK), (side // 8, BOTTLENECK), (side // 2, BOTTLENECK), (side, a)]:
        logical += [up(to), conv(BOTTLENECK, channels, 3, 1), relu(), dropout()]
    logical += [conv(a, b, 3, 1), relu(), dropout(), conv(b, FEATURES, 3, 1), relu(), conv(FEATURES, FEATURES, 3, 1)]
    return [nn.Sequential(*layers) for layers in (teacher, encoder1, encoder2, structural, logical)]


def train(torch, args):
    """Returns the durations of the timed steps in seconds."""
    device, channels_last = torch.device(args.device), args.channels_last
    layout = torch.channels_last if channels_last else torch.contiguous_format
    torch.manual_seed(42)
    teacher, encoder1, encoder2, structural, logical = [
        network.to(device, memory_format=layout) for network in networks(torch, args.preset, args.size // 4)
    ]
    teacher.eval().requires_grad_(False)
    student = torch.nn.ModuleList([encoder1, encoder2, structural, logical]).train()
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-4, weight_decay=1e-5)
    mean, std = (torch.full((1, FEATURES, 1, 1), value, device=device) for value in (0.0, 1.0))
    image = torch.randn(1, 3, args.size, args.size, device=device).to(memory_format=layout)
    autocast = torch.autocast(device.type, torch.bfloat16) if args.precision == "bf16" else nullcontext()
    mse = torch.nn.functional.mse_loss

    seconds = []
    for _ in range(WARM_UP_STEPS + args.steps):
        start = time.perf_counter()
        with autocast:
            with torch.no_grad():
                f_t = (teacher(image) - mean) / std
            f_l = encoder1(image)
            f_h = encoder2(f_l)
            f_s, f_g = structural(f_h), logical(f_h)
            loss = ALPHA * mse(f_s, f_t) + BETA * mse(f_g, f_t) + GAMMA * mse(f_g, f_l)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP_STEPS:]


def measure(args):
    import torch

    if args.channels_last is None:
        # The faster layout: on CPUs, bf16 convolutions are faster with channels last; f32 has the default layout.
        args.channels_last = args.precision == "bf16"
    seconds = train(torch, args)
    if args.device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "preset": args.preset,
        "precision": args.precision,
        "steps": args.steps,
        "seconds_per_step_median": statistics.median(seconds),
        "wait_share": 0.0,  # The image is created once, so no step waits for data.
        "peak_memory_bytes": peak,
    }


def table(ours, theirs):
    """Prints the medians over all rounds of each configuration and the ratios to PyTorch."""
    kinds = defaultdict(lambda: ([], []))
    for which, path in enumerate((ours, theirs)):
        with open(path, encoding="utf-8") as lines:
            for line in filter(str.strip, lines):
                row = json.loads(line)
                kinds[row["preset"], row["precision"]][which].append(row)
    print("| preset | precision | mhkd s/step | PyTorch s/step | speed | mhkd GB | PyTorch GB | memory |")
    print("|---|---|---|---|---|---|---|---|")
    for (preset, precision), sides in kinds.items():
        if not all(sides):
            continue
        step, peak = (
            [statistics.median(row[field] for row in rows) for rows in sides]
            for field in ("seconds_per_step_median", "peak_memory_bytes")
        )
        print(
            f"| {preset} | {precision} | {step[0]:.3f} | {step[1]:.3f} | {step[1] / step[0]:.2f}x"
            f" | {peak[0] / 1e9:.2f} | {peak[1] / 1e9:.2f} | {peak[0] / peak[1]:.2f}x |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=list(WIDTHS), default="medium")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--steps", type=int, default=5, help="timed steps, after %d warm-up steps" % WARM_UP_STEPS)
    parser.add_argument("--size", type=int, default=256, help="side of the image in pixels")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, help="default: with bf16 only")
    parser.add_argument("--table", nargs=2, metavar=("MHKD", "PYTORCH"), help="compare two files of JSON lines")
    args = parser.parse_args()
    if args.table:
        table(*args.table)
    else:
        print(json.dumps(measure(args)))


if __name__ == "__main__":
    main()
