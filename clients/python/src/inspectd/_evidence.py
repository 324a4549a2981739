"""Pictures: the evidence of a verdict, and images to inspect."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inspectd.v1 import inspection_pb2 as inspection

from ._verdict import Verdict

if TYPE_CHECKING:
    import numpy
    import PIL.Image
    from numpy.typing import NDArray

ImageFormat = Literal["png", "jpeg"]
ColourOrder = Literal["rgb", "bgr"]

_PNG = b"\x89PNG"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a file in memory."""

    data: bytes = field(repr=False)
    """The PNG or JPEG file."""

    @property
    def format(self) -> ImageFormat:
        """The format of the file."""
        return "png" if self.data.startswith(_PNG) else "jpeg"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, whatever the extension of the path is."""
        Path(path).write_bytes(self.data)

    def pil(self) -> PIL.Image.Image:
        """Decodes the picture, in mode RGB. Requires `inspectd[images]`."""
        try:
            import PIL.Image
        except ImportError as error:
            raise ImportError("pictures require pillow: pip install 'inspectd[images]'") from error
        return PIL.Image.open(BytesIO(self.data)).convert("RGB")

    def numpy(self) -> NDArray[numpy.uint8]:
        """Decodes the picture as [height, width, 3] RGB. Requires `inspectd[images]`."""
        try:
            import numpy
        except ImportError as error:
            raise ImportError("arrays require numpy: pip install 'inspectd[images]'") from error
        return numpy.array(self.pil(), dtype=numpy.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The pictures of a verdict."""

    verdict: Verdict
    frame: Picture | None
    """The inspected frame (after rotation and crop). From the daemon's disk it is a JPEG file, whatever format was
    requested."""
    heatmap: Picture | None
    """The frame with the anomaly map drawn over it: transparent below half the threshold, red from the threshold.
    None: a FAULT, which has no map."""


Image = Any
"""`bytes` of a PNG, JPEG, TIFF or BMP file, a numpy array, or a PIL image. (numpy and Pillow are optional.)"""


def image_content(image: Image, order: ColourOrder) -> bytes | inspection.RawImage:
    """What is sent for an image."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    # Without an import: if numpy or Pillow is not loaded, the image is not one of its objects.
    numpy, pillow = sys.modules.get("numpy"), sys.modules.get("PIL.Image")
    if numpy is not None and isinstance(image, numpy.ndarray):
        return _array(image, order)
    if pillow is not None and isinstance(image, pillow.Image):
        return _pillow(image)
    raise TypeError(f"image: {type(image).__name__}; must be the bytes of an image file, a numpy array or a PIL image")


def _array(image: Any, order: ColourOrder) -> inspection.RawImage:
    if image.dtype.name != "uint8":
        raise ValueError(f"image: an array of {image.dtype}; must be uint8")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))):
        raise ValueError(f"image: shape {image.shape}; must be [height, width] or [height, width, 3]")
    grey = image.ndim == 2 or image.shape[2] == 1
    colour = inspection.PIXEL_FORMAT_BGR8 if order == "bgr" else inspection.PIXEL_FORMAT_RGB8
    return inspection.RawImage(
        width=image.shape[1],
        height=image.shape[0],
        format=inspection.PIXEL_FORMAT_MONO8 if grey else colour,
        # In the order of rows, also of a transposed or sliced array.
        data=image.tobytes(),
    )


def _pillow(image: Any) -> inspection.RawImage:
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"image: mode {image.mode}; must have 8 bits a channel")
    grey = image.mode in ("1", "L")
    return inspection.RawImage(
        width=image.width,
        height=image.height,
        format=inspection.PIXEL_FORMAT_MONO8 if grey else inspection.PIXEL_FORMAT_RGB8,
        data=image.convert("L" if grey else "RGB").tobytes(),
    )
