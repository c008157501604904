import type { Camera, Size } from "./camera";
import { type Dots, LINE, type Rgba } from "./scene";

/** The pixels of a picture: red, green, blue and alpha, from the lowest byte on. */
export interface Picture {
  width: number;
  height: number;
  /** Signed, because V8 calculates with these as integers. */
  pixels: Int32Array;
}

/** The steps in a pixel, on each axis, and the steps of a radius in a pixel. */
const PHASES = 4;
const STEPS = 8;

/** A point of one radius, whose middle is at one phase of a pixel: the pixels that it covers. */
interface Stamp {
  /** The farthest of the pixels, from that of the middle. */
  reach: number;
  right: Int32Array;
  down: Int32Array;
  /** From the pixel of the middle, in a picture of `width`. */
  offset: Int32Array;
  /** How much of the pixel is covered, and how much of that is the line; 256 is all. */
  cover: Int32Array;
  line: Int32Array;
  lined: boolean;
}

function smooth(middle: number, at: number): number {
  const share = Math.min(Math.max(at - middle + 0.5, 0), 1);
  return Math.round(256 * share * share * (3 - 2 * share));
}

function stamp(radius: number, line: number, phaseX: number, phaseY: number, width: number): Stamp {
  const reach = Math.ceil(radius + line / 2 + 0.5);
  const found: [right: number, down: number, cover: number, line: number][] = [];
  for (let down = -reach; down <= reach; down++) {
    for (let right = -reach; right <= reach; right++) {
      const x = right + 0.5 - (phaseX + 0.5) / PHASES;
      const y = down + 0.5 - (phaseY + 0.5) / PHASES;
      const distance = Math.hypot(x, y);
      const cover = 256 - smooth(radius + line / 2, distance);
      if (cover) found.push([right, down, cover, line ? smooth(radius - line / 2, distance) : 0]);
    }
  }
  return {
    reach,
    right: Int32Array.from(found, (one) => one[0]),
    down: Int32Array.from(found, (one) => one[1]),
    offset: Int32Array.from(found, (one) => one[1] * width + one[0]),
    cover: Int32Array.from(found, (one) => one[2]),
    line: Int32Array.from(found, (one) => one[3]),
    lined: line > 0,
  };
}

/** `share` / 256 of the colour `above`, and the rest of `below`; opaque. */
function blend(below: number, above: number, share: number): number {
  const rest = 256 - share;
  const odd = (Math.imul(below & 0xff00ff, rest) + Math.imul(above & 0xff00ff, share)) >>> 8;
  const green = (Math.imul(below & 0xff00, rest) + Math.imul(above & 0xff00, share)) >>> 8;
  return (odd & 0xff00ff) | (green & 0xff00) | 0xff000000;
}

function put(to: Picture, one: Stamp, column: number, row: number, fill: number, line: number): void {
  const { pixels, width, height } = to;
  const { reach, offset, cover, line: lines } = one;
  const alpha = fill >>> 24;
  const inside = column >= reach && row >= reach && column + reach < width && row + reach < height;
  const middle = row * width + column;
  if (inside && !one.lined) {
    for (let i = 0; i < offset.length; i++) {
      const at = middle + (offset[i] as number);
      pixels[at] = blend(pixels[at] as number, fill, (Math.imul(cover[i] as number, alpha) + 128) >> 8);
    }
    return;
  }
  for (let i = 0; i < offset.length; i++) {
    if (!inside) {
      const x = column + (one.right[i] as number);
      const y = row + (one.down[i] as number);
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
    }
    const share = lines[i] as number;
    const at = middle + (offset[i] as number);
    const above = share ? blend(fill, line, share) : fill;
    const opaque = share ? (alpha * (256 - share) + 255 * share) >> 8 : alpha;
    const part = ((cover[i] as number) * opaque + 128) >> 8;
    pixels[at] = blend(pixels[at] as number, above, part);
  }
}

/** Draws points into pictures on the CPU: 50,000 take some milliseconds. */
export class Raster {
  /** The stamps that were made, for pictures of this width. */
  private readonly stamps = new Map<number, (Stamp | undefined)[]>();
  private width = 0;

  /** Draws points over what is there. The picture shows `size`, with `ratio` pixels for each of its pixels. */
  draw(picture: Picture, dots: Dots, surface: Rgba, camera: Camera, size: Size, ratio: number): void {
    const line = dots.stroked ? LINE * ratio : 0;
    const stamps = this.stampsFor(picture.width, line);
    const { position, radius } = dots;
    const fills = new Int32Array(dots.colour.buffer);
    const around = packed(surface);
    const scale = camera.scale * ratio;
    const left = (size.width * ratio) / 2 - camera.x * scale;
    const top = (size.height * ratio) / 2 + camera.y * scale;
    for (let i = 0; i < dots.length; i++) {
      const x = left + (position[2 * i] as number) * scale;
      const y = top - (position[2 * i + 1] as number) * scale;
      const step = Math.round((radius[i] as number) * ratio * STEPS);
      const reach = step / STEPS + line + 2;
      if (!(x > -reach && y > -reach && x < picture.width + reach && y < picture.height + reach)) continue;
      const column = Math.floor(x);
      const row = Math.floor(y);
      const phaseX = Math.floor((x - column) * PHASES);
      const phaseY = Math.floor((y - row) * PHASES);
      const name = (step * PHASES + phaseX) * PHASES + phaseY;
      let one = stamps[name];
      if (!one) {
        one = stamp(step / STEPS, line, phaseX, phaseY, picture.width);
        stamps[name] = one;
      }
      put(picture, one, column, row, fills[i] as number, around);
    }
  }

  private stampsFor(width: number, line: number): (Stamp | undefined)[] {
    if (width !== this.width) this.stamps.clear();
    this.width = width;
    const known = this.stamps.get(line) ?? [];
    this.stamps.set(line, known);
    return known;
  }
}

/** A colour as a pixel. */
export function packed([red, green, blue, alpha]: Rgba): number {
  return red | (green << 8) | (blue << 16) | (alpha << 24);
}
