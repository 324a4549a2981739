"""Makes the reference of the resize: two images, and what Pillow's antialiased bilinear filter makes of them.

    python3 tests/data/resize-reference/make.py    (needs numpy and Pillow: .tools/python of scripts/setup.sh)

Writes NAME.png and resized.safetensors next to this script. The tensors are named NAME@WIDTHxHEIGHT, or
NAME@cropLEFT,TOP,RIGHT,BOTTOM@WIDTHxHEIGHT for a part of the image; they are u8 [H, W, 3] RGB.
"""

import json
import pathlib
import struct

import numpy
from PIL import Image

HERE = pathlib.Path(__file__).parent

# Sizes below, above and across the images' own, whole and odd factors, and one to one.
SIZES = [(64, 64), (100, 37), (192, 160), (256, 256), (33, 201)]
CROPS = [(10, 20, 130, 140), (0, 0, 149, 5), (3, 1, 120, 150)]
CROP_SIZES = [(64, 64), (128, 96)]


def image(width, height, phase):
    """Smooth shades, hard edges, thin lines and grain, by formula: no random numbers."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    shade = 120 + 80 * numpy.sin(x / 17 + phase) * numpy.cos(y / 23)
    channels = []
    for channel in range(3):
        values = shade + 20 * channel
        values = numpy.where((x // 16 + y // 24) % 5 == channel, 235 - 100 * channel, values)
        values = numpy.where((x + 2 * y) % 31 < 1, 5, values)
        grain = numpy.abs(numpy.modf(43758.5453 * numpy.sin(12.9898 * x + 78.233 * y + channel + phase))[0])
        values = numpy.where(x > 0.75 * width, values + 60 * (grain - 0.5), values)
        channels.append(values)
    return numpy.clip(numpy.rint(numpy.stack(channels, axis=-1)), 0, 255).astype(numpy.uint8)


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in sorted(tensors.items()):
        end = len(data) + tensor.nbytes
        header[name] = {"dtype": "U8", "shape": list(tensor.shape), "data_offsets": [len(data), end]}
        data += tensor.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    tensors = {}
    for name, width, height, phase in [("wide", 192, 160, 0.0), ("tall", 149, 211, 1.0)]:
        picture = Image.fromarray(image(width, height, phase))
        picture.save(HERE / f"{name}.png", optimize=True)
        for size in SIZES:
            resized = picture.resize(size, Image.Resampling.BILINEAR)
            tensors[f"{name}@{size[0]}x{size[1]}"] = numpy.asarray(resized)
        for crop in CROPS:
            for size in CROP_SIZES:
                resized = picture.crop(crop).resize(size, Image.Resampling.BILINEAR)
                sides = ",".join(map(str, crop))
                tensors[f"{name}@crop{sides}@{size[0]}x{size[1]}"] = numpy.asarray(resized)
    write_safetensors(HERE / "resized.safetensors", tensors)


main()
