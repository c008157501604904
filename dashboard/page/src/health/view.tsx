import * as api from "../api";
import { useAnswer, useBeat } from "../data";
import { bothZones, duration } from "../format";
import { state } from "../store";
import { StreamText } from "../text";
import { Notice, When } from "../widgets";
import { labelsOf, nameOf, rateOf, shownValue, wholeName } from "./names";
import "../style/health.css";

const EVERY_MS = 2000;

/** The metrics of the flow, stage by stage, read again every two seconds. */
export function HealthView() {
  const beat = useBeat(EVERY_MS);
  const { data, error } = useAnswer("health", beat, api.health);
  if (error) {
    return (
      <Notice title="The health of the flow is unknown" kind="warning">
        <p>{error}</p>
      </Notice>
    );
  }
  if (!data) return <Notice title="Reading the metrics of the flow" busy />;
  return (
    <section class="health" aria-label="Health of the flow" tabIndex={0}>
      {data.message ? (
        <p class="health-message">
          <StreamText text={data.message} />
        </p>
      ) : null}
      {data.stages.length ? (
        <div class="cards">
          {data.stages.map((stage) => (
            <Card key={stage.stage} title={stage.stage} metrics={stage.metrics} />
          ))}
          {data.triton.map((model) => (
            <Card
              key={`${model.model} ${model.version}`}
              title={`Triton: ${model.model} ${model.version}`}
              metrics={model.metrics}
              but={["model", "version"]}
            />
          ))}
        </div>
      ) : (
        <Notice title={data.reachable ? "The flow gives no metrics yet" : "The flow does not answer"} />
      )}
      <p class="note read-at">
        read at <When at={data.read_at} withDay={false} />
      </p>
    </section>
  );
}

function Card(props: { title: string; metrics: api.Metric[]; but?: readonly string[] }) {
  return (
    <section class="card">
      <h2>
        <StreamText text={props.title} />
      </h2>
      <table>
        <thead class="unseen">
          <tr>
            <th>metric</th>
            <th>value</th>
            <th>rate</th>
          </tr>
        </thead>
        <tbody>
          {props.metrics.map((metric) => (
            <Line key={`${metric.name} ${labelsOf(metric)}`} metric={metric} but={props.but ?? []} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Line(props: { metric: api.Metric; but: readonly string[] }) {
  const { metric } = props;
  const labels = labelsOf(metric, props.but);
  return (
    <tr class={metric.value ? "" : "zero"}>
      <td title={wholeName(metric)}>
        {nameOf(metric)} {labels ? <span class="note">{labels}</span> : null}
      </td>
      <td class="number">{metric.unit === "time" ? <Since at={metric.value} /> : shownValue(metric)}</td>
      <td class="number">{rateOf(metric)}</td>
    </tr>
  );
}

/** How far a time is behind the clock of the server; the tooltip has the time. */
function Since(props: { at: number | null }) {
  if (!props.at) return <>–</>;
  const at = props.at * 1e6;
  const behind = (state.value?.now ?? Date.now() * 1000) - at;
  if (behind < 0) return <When at={at} />;
  return <span title={bothZones(at)}>{duration(behind)} ago</span>;
}
