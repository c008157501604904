import { plural, short } from "../format";
import { route, state } from "../store";
import type { Budget } from "../types";
import { Chart } from "./chart";
import { latest } from "./latest";
import { Panel, type Shared } from "./panel";

/** The new incidents of a day, beside what the budget allows. */
export function BudgetPanel(props: { budget: Budget | null; shared: Shared }) {
  const { budget } = props;
  if (!budget) return <Panel title={TITLE} said={nothing()} calm />;
  if (budget.of === null) {
    return (
      <Panel
        title={TITLE}
        said="An older flow wrote these alerts, and they do not say the budget. Those of a new run do."
        calm
      />
    );
  }
  const rule = ruled(budget);
  return (
    <Panel title={TITLE} said={sentence(budget, route.value.key)}>
      <Chart
        {...props.shared}
        label="New incidents of the last 24 hours over time, and the budget"
        series={[budget.realised]}
        lines={[{ name: "in 24 hours", colour: (c) => c.accent, kind: "steps" }]}
        {...(rule === null ? {} : { rule, ruleName: `budget ${short(rule)}` })}
        least={Math.max(4, (rule ?? 0) * 1.15)}
        format={short}
      />
    </Panel>
  );
}

const TITLE = "Budget";

function nothing(): string {
  const alerts = state.value?.streams.some((stream) => stream.stream === "alerts");
  return alerts
    ? "No incident came yet. The first one says what the budget is."
    : "No alerts are here. Write them with sink.alerts, and name this output, too.";
}

/** Where the line of the budget is; null: no line fits what the chart counts. */
export function ruled(budget: Budget): number | null {
  return budget.of === "key" && route.value.key === null ? null : budget.per_day;
}

/** What the chart counts, and the budget of what. */
export function sentence(budget: Budget, key: string | null): string {
  const now = `${plural(latest(budget.realised) ?? 0, "new incident")} in the last 24 hours`;
  const day = budget.per_day === null ? null : short(budget.per_day);
  if (day === null) return `${now}; alert.alpha decides, so there is no budget`;
  if (budget.of === "key" && key === null) return `${now}; each key has a budget of ${day}: choose a key`;
  if (budget.of === "key") return `${now}, of ${day} that the key may have`;
  return key === null ? `${now}, of ${day}` : `${now}, of ${day} for all keys together`;
}
