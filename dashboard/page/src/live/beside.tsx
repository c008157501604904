import { count, pValue, score } from "../format";
import { go } from "../store";
import { StreamText } from "../text";
import type { EventDetail } from "../types";
import { Cluster, Range } from "../widgets";
import { isLoud } from "./columns";

/** The scores of the event in each window and revision. */
export function Windows(props: { event: EventDetail }) {
  const { windows } = props.event;
  const revised = windows.some((one) => one.revision > 0);
  return (
    <section>
      <h3>{windows.length === 1 ? "Its window" : `Its ${windows.length} windows`}</h3>
      <div class="scroll-x">
        <table class="windows">
          <thead>
            <tr>
              <th>window</th>
              {revised ? <th class="number">rev.</th> : null}
              <th class="number">anomaly</th>
              <th class="number optional">p-value</th>
              <th class="number">score</th>
              <th>cluster</th>
            </tr>
          </thead>
          <tbody>
            {windows.map((one) => (
              <tr key={`${one.window_start} ${one.revision}`}>
                <td>
                  <button
                    type="button"
                    class="link"
                    title="Show only this window"
                    onClick={() => go({ window: one.window_start, from: null, to: null, view: "live" })}
                  >
                    <Range start={one.window_start} end={one.window_end} />
                  </button>
                </td>
                {revised ? <td class="number">{one.revision}</td> : null}
                <td class={isLoud(one.anomaly) ? "number loud" : "number"}>{score(one.anomaly)}</td>
                <td class="number optional">{pValue(one.p_value)}</td>
                <td class="number">{score(one.score)}</td>
                <td>
                  {one.cluster === null || one.cluster < 0 ? (
                    <Cluster cluster={one.cluster} />
                  ) : (
                    <button
                      type="button"
                      class="link"
                      title="Show only this cluster of this window"
                      onClick={() =>
                        go({
                          window: one.window_start,
                          cluster: one.cluster,
                          from: null,
                          to: null,
                          view: "live",
                        })
                      }
                    >
                      <Cluster cluster={one.cluster} />
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function Neighbours(props: { event: EventDetail }) {
  const { neighbours } = props.event;
  if (!neighbours.length) return null;
  return (
    <section>
      <h3>Nearest usual texts of the window</h3>
      <ol class="neighbours">
        {neighbours.map((one) => (
          <li key={one.id}>
            <span class="similarity">{score(one.similarity)}</span>
            <button
              type="button"
              class="link text"
              onClick={() => go({ event: { key: props.event.key, id: one.id } })}
            >
              <StreamText text={one.text.slice(0, 300)} limit={40} cut={one.text.length > 300} />
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function positionOf(event: EventDetail): string {
  const { partition, offset } = event;
  if (partition === null) return "not in this output: an older flow wrote it";
  return offset === null ? `partition ${partition}` : `partition ${partition}, offset ${count(offset)}`;
}

export function Attributes(props: { event: EventDetail }) {
  const { event } = props;
  const given = Object.entries(event.attributes ?? {}).slice(0, 200);
  const all: [string, string][] = [
    ...given.map(([name, value]): [string, string] => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
    ["id", event.id],
    ["model", event.model ?? "–"],
    ["source", positionOf(event)],
  ];
  return (
    <section>
      <h3>Attributes</h3>
      <dl class="attributes">
        {all.map(([name, value]) => (
          <div key={name}>
            <dt>
              <StreamText text={name.slice(0, 100)} limit={10} />
            </dt>
            <dd>
              <StreamText text={value.slice(0, 2000)} limit={100} cut={value.length > 2000} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
