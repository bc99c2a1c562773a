// Draws the PNG of the gallery from media/icon.svg, since the gallery takes no SVG and the repository no binaries. The SVG
// holds rectangles with round corners only, so that a few lines can draw it.
import { deflateSync } from 'node:zlib';

/** Each pixel is the mean of this many points squared. */
const SAMPLES = 4;

/** @returns the bytes of a PNG with `size` × `size` pixels */
export function drawIcon(svg, size) {
  const width = Number(/viewBox="0 0 (\d+) \d+"/.exec(svg)[1]);
  const rectangles = [...svg.matchAll(/<rect ([^>]*)\/>/g)].map(([, text]) => readRectangle(text));
  const colourAt = (x, y) => rectangles.findLast((one) => isInside(one, x, y))?.colour ?? [0, 0, 0, 0];
  // Every row of a PNG begins with the number of its filter: 0, none.
  const rows = Buffer.alloc(size * (1 + size * 4));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const sum = [0, 0, 0, 0];
      for (let point = 0; point < SAMPLES ** 2; point++) {
        const dx = ((point % SAMPLES) + 0.5) / SAMPLES;
        const dy = (Math.floor(point / SAMPLES) + 0.5) / SAMPLES;
        const [r, g, b, alpha] = colourAt(((x + dx) * width) / size, ((y + dy) * width) / size);
        [r * alpha, g * alpha, b * alpha, alpha].forEach((value, i) => (sum[i] += value));
      }
      const pixel = y * (1 + size * 4) + 1 + x * 4;
      for (let i = 0; i < 3; i++) rows[pixel + i] = Math.round(sum[i] / Math.max(1, sum[3]));
      rows[pixel + 3] = Math.round((sum[3] * 255) / SAMPLES ** 2);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits, RGBA, and the only methods there are (PNG specification, §11.2.2).
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function readRectangle(text) {
  const attributes = Object.fromEntries(
    [...text.matchAll(/([a-z]+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
  );
  const [x, y, width, height, rx] = ['x', 'y', 'width', 'height', 'rx'].map((key) =>
    Number(attributes[key] ?? 0),
  );
  const colour = [1, 3, 5].map((at) => parseInt(attributes.fill.slice(at, at + 2), 16));
  return { x, y, width, height, rx, colour: [...colour, 1] };
}

function isInside({ x, y, width, height, rx }, px, py) {
  if (px < x || py < y || px > x + width || py > y + height) return false;
  const dx = Math.max(x + rx - px, 0, px - (x + width - rx));
  const dy = Math.max(y + rx - py, 0, py - (y + height - rx));
  return dx * dx + dy * dy <= rx * rx;
}

/** PNG specification, §5.3: length, type, data, and the CRC of the last two. */
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
