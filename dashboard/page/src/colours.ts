/** The colours of the style sheets for canvases, which cannot read them. */
export interface Colours {
  ink: string;
  faint: string;
  line: string;
  accent: string;
  signal: string;
  surface: string;
  bar: string;
  clusters: readonly string[];
  /** p50, p90, p99 and max: from quiet to loud. */
  quantiles: readonly string[];
}

const LIGHT: Colours = {
  ink: "#5d6975",
  faint: "#c9d1d8",
  line: "#e2e7eb",
  accent: "#0a6e81",
  signal: "#b5410e",
  surface: "#ffffff",
  bar: "#b9c6ce",
  clusters: [
    "#332288",
    "#44aa99",
    "#cc6677",
    "#117733",
    "#88ccee",
    "#999933",
    "#aa4499",
    "#ddcc77",
    "#882255",
  ],
  quantiles: ["#a9b8c2", "#6f8a99", "#0a6e81", "#b5410e"],
};

const DARK: Colours = {
  ink: "#8d99a6",
  faint: "#36414c",
  line: "#222a32",
  accent: "#5fc9dd",
  signal: "#ff9d66",
  surface: "#141a20",
  bar: "#3d4b57",
  clusters: [
    "#8c86e6",
    "#52c3b0",
    "#e58a99",
    "#4fae6d",
    "#9ad6f3",
    "#b9b94f",
    "#cf79c1",
    "#e6d88f",
    "#c2558a",
  ],
  quantiles: ["#4d5c68", "#7f95a3", "#5fc9dd", "#ff9d66"],
};

export function coloursOf(dark: boolean): Colours {
  return dark ? DARK : LIGHT;
}

export function clusterColour(colours: Colours, cluster: number): string {
  return cluster < 0 ? colours.faint : (colours.clusters[cluster % colours.clusters.length] ?? colours.ink);
}

/** `share` of the first colour and the rest of the second one; both as `#rrggbb`. */
export function mixed(one: string, other: string, share: number): string {
  const part = (text: string, at: number) => Number.parseInt(text.slice(at, at + 2), 16);
  const channels = [1, 3, 5].map((at) => Math.round(part(one, at) * share + part(other, at) * (1 - share)));
  return `#${channels.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}
