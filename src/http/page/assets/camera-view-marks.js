// Marks clipped and black pixels of a shown picture by stripes: diagonal red ones and level blue ones. The stripes differ
// in direction, not by colour only. They are an aid for the eye: the shown picture is scaled down and compressed, and the
// shares of the whole frame are those of the daemon.

const CLIPPED = 250;
const BLACK = 5;

// Red and white, and blue and white: visible on every picture.
const [RED, BLUE, WHITE] = [0xff1d14e0, 0xffff7d1f, 0xffffffff];

/**
 * Marks the pixels.
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} height
 */
export function markExtremes(context, width, height) {
  const picture = context.getImageData(0, 0, width, height);
  const bytes = picture.data;
  // Bytes in memory are red, green, blue, opacity: the lowest byte of a word is red.
  const words = new Uint32Array(bytes.buffer);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const grey = (bytes[at * 4] * 299 + bytes[at * 4 + 1] * 587 + bytes[at * 4 + 2] * 114) / 1000;
      if (grey >= CLIPPED) words[at] = (x + y) % 12 < 7 ? RED : WHITE;
      else if (grey <= BLACK) words[at] = y % 12 < 7 ? BLUE : WHITE;
    }
  }
  context.putImageData(picture, 0, 0);
}
