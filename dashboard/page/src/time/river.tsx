import { clusterColour } from "../colours";
import { percent } from "../format";
import { StreamText } from "../text";
import type { Clusters, Micros } from "../types";
import { Cluster } from "../widgets";
import { Chart } from "./chart";
import { Panel } from "./panel";
import { mean, type Trend, trend } from "./trend";
import { brush } from "./view";

const SIGNS: Record<Trend, string> = { new: "＋", growing: "↗", fading: "↘", gone: "−", steady: "→" };

/** The shares of the clusters as a stack over time, and what each cluster is about. */
export function River(props: { clusters: Clusters; from: Micros; to: Micros }) {
  const { clusters } = props;
  const described = clusters.clusters.some((one) => one.example !== null);
  const ordered = [...clusters.clusters].sort((a, b) => mean(b.share) - mean(a.share));
  return (
    <Panel wide title="Clusters" said="the share of each cluster in the windows">
      <div class={described ? "river" : "river plain-names"}>
        <Chart
          x={clusters.windows}
          series={ordered.map((one) => one.share)}
          lines={ordered.map((one) => ({
            name: String(one.cluster),
            kind: "area",
            colour: (colours) => clusterColour(colours, one.cluster),
          }))}
          from={props.from}
          to={props.to}
          height={210}
          stacked
          least={1}
          label="Shares of the clusters over time"
          format={percent}
          axis={(value) => `${Math.round(value * 100)} %`}
          brush={brush}
        />
        <table class="river-names">
          <thead>
            <tr>
              <th>cluster</th>
              <th>trend</th>
              <th class="number">now</th>
              {described ? <th>a typical text</th> : <th aria-hidden="true" />}
            </tr>
          </thead>
          <tbody>
            {ordered.slice(0, 12).map((one) => {
              const way = trend(one.share);
              return (
                <tr key={one.cluster}>
                  <td>
                    <Cluster cluster={one.cluster} />
                  </td>
                  <td class={`trend ${way}`}>
                    <span aria-hidden="true">{SIGNS[way]}</span> {way}
                  </td>
                  <td class="number">{percent(one.share.at(-1) ?? null)}</td>
                  <td class="example">
                    {one.example === null ? null : <StreamText text={one.example.slice(0, 300)} limit={20} />}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
