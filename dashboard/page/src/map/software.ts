import type { Camera, Size } from "./camera";
import { type Picture, packed, Raster } from "./raster";
import { type Renderer, RING, type Scene } from "./scene";

/** A picture that takes longer is drawn with fewer pixels while the map moves. */
const SLOW_MS = 10;

/** Draws on the CPU. */
export class SoftwareRenderer implements Renderer {
  private readonly canvas = document.createElement("canvas");
  private readonly context: CanvasRenderingContext2D | null;
  private readonly raster = new Raster();
  private picture: (Picture & { image: ImageData }) | null = null;
  private slow = false;

  constructor(parent: HTMLElement) {
    this.context = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    parent.append(this.canvas);
  }

  draw(scene: Scene, camera: Camera, size: Size, moves: boolean): void {
    if (!this.context) return;
    const start = performance.now();
    const sharp = Math.max(devicePixelRatio, 1);
    const ratio = moves && this.slow ? 1 : sharp;
    const picture = this.sized(Math.round(size.width * ratio), Math.round(size.height * ratio));
    picture.pixels.fill(packed(scene.surface));
    for (const dots of [scene.all, scene.shown]) {
      this.raster.draw(picture, dots, scene.surface, camera, size, ratio);
    }
    this.context.putImageData(picture.image, 0, 0);
    if (scene.ring) this.ring(this.context, scene.ring, camera, size, ratio);
    if (ratio === sharp) this.slow = performance.now() - start > SLOW_MS;
  }

  end(): void {
    this.canvas.remove();
  }

  private ring(
    context: CanvasRenderingContext2D,
    ring: NonNullable<Scene["ring"]>,
    camera: Camera,
    size: Size,
    ratio: number,
  ): void {
    const x = size.width / 2 + (ring.x - camera.x) * camera.scale;
    const y = size.height / 2 - (ring.y - camera.y) * camera.scale;
    const [red, green, blue] = ring.colour;
    context.strokeStyle = `rgb(${red} ${green} ${blue})`;
    context.lineWidth = RING * ratio;
    context.beginPath();
    context.arc(x * ratio, y * ratio, ring.radius * ratio, 0, 2 * Math.PI);
    context.stroke();
  }

  private sized(width: number, height: number): Picture & { image: ImageData } {
    if (this.picture?.width === width && this.picture.height === height) return this.picture;
    this.canvas.width = width;
    this.canvas.height = height;
    const image = new ImageData(width, height);
    this.picture = { width, height, image, pixels: new Int32Array(image.data.buffer) };
    return this.picture;
  }
}
