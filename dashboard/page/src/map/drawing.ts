import { type Camera, type Limits, limitsOf, placeAt, type Size, whole } from "./camera";
import { hasCard } from "./card";
import { listen } from "./gestures";
import type { Bounds } from "./points";
import type { Renderer, Scene } from "./scene";
import { SoftwareRenderer } from "./software";

/** The map in an element: what is drawn, from where it is seen, and by what. */
export class Drawing {
  private camera: Camera;
  private readonly limits: Limits;
  private scene: Scene | null = null;
  private renderer: Renderer | null = null;
  private moves = false;
  private frame = 0;
  private ended = false;
  private readonly deafen: () => void;

  constructor(
    private readonly element: HTMLElement,
    bounds: Bounds,
    private size: Size,
  ) {
    this.camera = whole(bounds, size);
    this.limits = limitsOf(this.camera);
    this.deafen = listen(element, {
      size: () => this.size,
      limits: () => this.limits,
      camera: () => this.camera,
      look: (camera, rests) => {
        this.camera = camera;
        this.moves = !rests;
        this.wish();
      },
    });
    if (hasCard()) void this.open();
    else this.renderer = new SoftwareRenderer(element);
  }

  show(scene: Scene): void {
    this.scene = scene;
    this.wish();
  }

  resize(size: Size): void {
    this.size = size;
    this.wish();
  }

  /** The place of the map at a pixel of the element, and how long a pixel is there. */
  at(x: number, y: number): { x: number; y: number; pixel: number } {
    const [placeX, placeY] = placeAt(this.camera, this.size, [x, y]);
    return { x: placeX, y: placeY, pixel: 1 / this.camera.scale };
  }

  end(): void {
    this.ended = true;
    cancelAnimationFrame(this.frame);
    this.deafen();
    this.renderer?.end();
  }

  private async open(): Promise<void> {
    try {
      const { WebglRenderer } = await import("./webgl");
      if (!this.ended) this.renderer = new WebglRenderer(this.element, () => this.without());
    } catch {
      this.without();
    }
    this.wish();
  }

  /** Goes on without the graphics card. */
  private without(): void {
    if (this.ended || this.renderer instanceof SoftwareRenderer) return;
    this.renderer?.end();
    this.renderer = new SoftwareRenderer(this.element);
    this.wish();
  }

  /**
   * Draws at the next frame, however much changes until then. `data-drawn` of the element says what is there: a
   * picture that `moves` or one that `rests`, or nothing while a picture is due.
   */
  private wish(): void {
    if (this.ended) return;
    delete this.element.dataset.drawn;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.scene || !this.renderer) return;
      this.renderer.draw(this.scene, this.camera, this.size, this.moves);
      this.element.dataset.drawn = this.moves ? "moves" : "rests";
    });
  }
}
