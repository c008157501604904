import type { ComponentChildren } from "preact";
import type { Micros } from "../types";

/** What all charts over the time of the stream have in common. */
export interface Shared {
  x: Micros[];
  from: Micros;
  to: Micros;
  brush: (from: Micros, to: Micros) => void;
}

/** A chart with its name. `calm`: there is no chart, and a sentence says why. */
export function Panel(props: {
  title: string;
  said?: string;
  wide?: boolean;
  calm?: boolean;
  children?: ComponentChildren;
}) {
  return (
    <section class={props.wide ? "chart-panel wide" : "chart-panel"}>
      <h2>{props.title}</h2>
      {props.said ? <p class={props.calm ? "calm" : "said"}>{props.said}</p> : null}
      {props.children}
    </section>
  );
}
