import type { State } from "../types";
import { VIEWS, type ViewName } from "../url";

export const VIEW_NAMES: Record<ViewName, string> = {
  live: "Live",
  incidents: "Incidents",
  time: "Time",
  map: "Map",
  health: "Health",
  compare: "Compare",
};

/** The views that there is data for. */
export function viewsOf(state: State): ViewName[] {
  const has = (stream: string) =>
    state.streams.some((one) => one.stream === stream && !["broken", "too old"].includes(one.state));
  return VIEWS.filter((view) => {
    if (view === "incidents") return has("alerts");
    if (view === "map") return state.embeddings;
    if (view === "health") return state.metrics;
    if (view === "compare") return state.compare;
    return true;
  });
}
