import { useMemo, useState } from "preact/hooks";
import * as api from "../api";
import { useAnswer } from "../data";
import { count, plural, score } from "../format";
import { EventPanel } from "../live/detail";
import { Table } from "../live/table";
import { Panel } from "../panel";
import { Filters } from "../shell/filters";
import { go, route, turn } from "../store";
import { StreamText } from "../text";
import { filterOf } from "../url";
import { Cluster, Notice, When } from "../widgets";
import { Canvas } from "./canvas";
import { byWindow, decode, enclosed, type Points, type Polygon } from "./points";
import { Replay } from "./replay";
import "../style/map.css";

const MOST = 50_000;

/** The embeddings in two dimensions: one window in colour, before all others in grey. */
export function MapView() {
  const query = { ...filterOf(route.value, ["window", "selection", "incident", "cluster"]), limit: MOST };
  const { data, error } = useAnswer(JSON.stringify(query), turn.value, async () =>
    decode(await api.map(query)),
  );
  const { event, selection } = route.value;
  return (
    <>
      <Filters />
      <div class={event || selection ? "split with-detail map-split" : "split"}>
        {error ? (
          <Notice title="There is no map">
            <p>{error}</p>
          </Notice>
        ) : null}
        {!data && !error ? <Notice title="Reading the map" busy /> : null}
        {data && !error ? <Drawn points={data} /> : null}
        {event ? <EventPanel /> : selection ? <Selected /> : null}
      </div>
    </>
  );
}

function Selected() {
  return (
    <Panel label="Selection" name="selection" close={() => go({ selection: null })}>
      <div class="selected">
        <h2>Selected on the map</h2>
        <Table />
      </div>
    </Panel>
  );
}

async function openRow(row: number): Promise<void> {
  const selection = await api.select([row]);
  const found = (await api.rows({ selection, revisions: "all", limit: 1 })).rows[0];
  if (found) go({ event: { key: found.key, id: found.id } });
}

function Drawn(props: { points: Points }) {
  const { points } = props;
  const [lasso, setLasso] = useState(false);
  const [hovered, setHovered] = useState({ place: -1, x: 0, y: 0 });
  const windows = useMemo(() => byWindow(points), [points]);
  const { window, cluster } = route.value;
  const at = windows.findIndex((one) => one.start === window);
  const index = at < 0 ? windows.length - 1 : at;
  const shown = useMemo(() => {
    const places = windows[index]?.places ?? new Uint32Array();
    return cluster === null ? places : places.filter((i) => points.cluster[i] === cluster);
  }, [windows, index, cluster]);

  async function enclose(polygon: Polygon) {
    const places = enclosed(points, shown, polygon);
    setLasso(false);
    if (!places.length) return;
    const selection = await api.select(places.map((i) => points.row[i] as number));
    go({ selection, event: null, window: windows[index]?.start ?? null, sort: "anomaly", order: "desc" });
  }

  return (
    <div class="map">
      <Canvas
        points={points}
        shown={shown}
        chosen={hovered.place}
        lasso={lasso}
        hover={(place, where) =>
          setHovered((before) => (before.place === place ? before : { place, ...where }))
        }
        pick={(place) => void openRow(points.row[place] as number)}
        enclose={(polygon) => void enclose(polygon)}
      />
      <Legend points={points} shown={shown} />
      <div class="map-tools">
        <button type="button" class="button" aria-pressed={lasso} onClick={() => setLasso(!lasso)}>
          {lasso ? "Draw around the points …" : "Lasso"}
        </button>
      </div>
      {hovered.place >= 0 ? <Hover points={points} {...hovered} /> : null}
      <Replay windows={windows.map((one) => one.start)} index={index} rows={shown.length} />
    </div>
  );
}

function Legend(props: { points: Points; shown: Uint32Array }) {
  const { points, shown } = props;
  const counts: Record<number, number> = {};
  for (const i of shown) {
    const cluster = points.cluster[i] as number;
    counts[cluster] = (counts[cluster] ?? 0) + 1;
  }
  const clusters = Object.entries(counts).sort(([a], [b]) => Number(a) - Number(b));
  const chosen = route.value.cluster;
  return (
    <div class="map-legend">
      <p class="map-legend-head">
        <span>cluster</span> <span>rows</span>
      </p>
      <ul>
        {clusters.slice(0, 12).map(([cluster, rows]) => (
          <li key={cluster}>
            <button
              type="button"
              class="plain"
              aria-pressed={chosen === Number(cluster)}
              onClick={() => go({ cluster: chosen === null ? Number(cluster) : null })}
            >
              <Cluster cluster={Number(cluster)} />
              <span>{count(rows)}</span>
            </button>
          </li>
        ))}
      </ul>
      <p class="note">
        Larger: rarer. Grey: {plural(points.length - shown.length, "other row")}; strong grey: the reference.
      </p>
    </div>
  );
}

function Hover(props: { points: Points; place: number; x: number; y: number }) {
  const { points, place } = props;
  const row = points.row[place] as number;
  const { data } = useAnswer(String(row), 0, () => api.textOf(row));
  const anomaly = points.anomaly[place] as number;
  return (
    <div
      class={`map-hover${props.x > 360 ? " left" : ""}${props.y > 260 ? " above" : ""}`}
      style={{ "--x": `${props.x}px`, "--y": `${props.y}px` }}
      role="status"
    >
      <p>
        {data === null ? "…" : <StreamText text={data.slice(0, 240)} limit={30} cut={data.length > 240} />}
      </p>
      <p class="note">
        <When at={points.ts[place] as number} /> · anomaly {score(Number.isNaN(anomaly) ? null : anomaly)} ·
        cluster {points.cluster[place]}
      </p>
    </div>
  );
}
