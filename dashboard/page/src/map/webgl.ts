import { Deck, OrthographicView } from "@deck.gl/core";
import { ScatterplotLayer } from "@deck.gl/layers";
import type { Camera } from "./camera";
import { type Dots, LINE, type Renderer, RING, type Scene } from "./scene";

/** Draws with the graphics card, by deck.gl. `failed` is called when it cannot. */
export class WebglRenderer implements Renderer {
  private readonly deck: Deck<OrthographicView>;
  private readonly ending = new AbortController();
  private last: Scene | null = null;

  constructor(parent: HTMLElement, failed: () => void) {
    this.deck = new Deck({
      parent: parent as HTMLDivElement,
      views: new OrthographicView({ flipY: false }),
      controller: false,
      useDevicePixels: true,
      // The layers smooth the edges of their points themselves.
      deviceProps: { type: "webgl", webgl: { antialias: false } },
      onError: failed,
      // The style sheet says it.
      getCursor: () => "",
    });
    // The event does not bubble, and deck.gl makes its canvas later.
    parent.addEventListener("webglcontextlost", failed, { capture: true, signal: this.ending.signal });
  }

  draw(scene: Scene, camera: Camera): void {
    const viewState = {
      target: [camera.x, camera.y, 0] as [number, number, number],
      zoom: Math.log2(camera.scale),
    };
    if (scene === this.last) this.deck.setProps({ viewState });
    else this.deck.setProps({ viewState, layers: layersOf(scene) });
    this.last = scene;
  }

  end(): void {
    this.ending.abort();
    this.deck.finalize();
  }
}

function layersOf(scene: Scene) {
  const { all, shown, ring, surface } = scene;
  return [
    layer("all", all, surface),
    layer("shown", shown, surface),
    new ScatterplotLayer({
      id: "ring",
      data: ring ? [ring] : [],
      getPosition: (one) => [one.x, one.y],
      getRadius: (one) => one.radius,
      radiusUnits: "pixels",
      filled: false,
      stroked: true,
      lineWidthUnits: "pixels",
      getLineWidth: RING,
      getLineColor: (one) => one.colour,
    }),
  ];
}

/** The data of a layer, the same object for the same points, so that they go to the card once. */
const known = new WeakMap<Dots, LayerData>();

type LayerData = {
  length: number;
  attributes: Record<string, { value: Float32Array | Uint8Array; size: number; normalized?: boolean }>;
};

function layer(id: string, dots: Dots, surface: Scene["surface"]) {
  let data = known.get(dots);
  if (!data) {
    data = {
      length: dots.length,
      attributes: {
        getPosition: { value: dots.position, size: 2 },
        getFillColor: { value: dots.colour, size: 4, normalized: true },
        getRadius: { value: dots.radius, size: 1 },
      },
    };
    known.set(dots, data);
  }
  return new ScatterplotLayer({
    id,
    data,
    radiusUnits: "pixels",
    stroked: dots.stroked,
    lineWidthUnits: "pixels",
    getLineWidth: LINE,
    getLineColor: surface,
  });
}
