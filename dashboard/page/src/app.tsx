import type { ComponentChildren } from "preact";
import { lazy, Suspense } from "preact/compat";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { IncidentsView } from "./incidents/view";
import { Keys, listen } from "./keys";
import { LiveView } from "./live/view";
import { Header } from "./shell/header";
import { Ribbon } from "./shell/ribbon";
import { Banner, nothingYet } from "./shell/states";
import { announced, connection, route, state } from "./store";
import { Notice } from "./widgets";

const TimeView = lazy(() => import("./time/view").then((module) => module.TimeView));
const HealthView = lazy(() => import("./health/view").then((module) => module.HealthView));
const CompareView = lazy(() => import("./compare/view").then((module) => module.CompareView));
const MapView = lazy(() => import("./map/view").then((module) => module.MapView));

export function App() {
  useEffect(listen, []);
  return (
    <>
      <a class="skip" href="#view">
        Skip to the view
      </a>
      <Header />
      <Banner />
      <main id="view" tabIndex={-1}>
        <Guarded>
          <View />
        </Guarded>
      </main>
      <Keys />
      <p class="unseen" aria-live="polite">
        {announced}
      </p>
    </>
  );
}

/** A defect of a view leaves the rest of the page as it is. */
function Guarded(props: { children: ComponentChildren }) {
  const [problem, again] = useErrorBoundary((error) => reportError(error));
  if (!problem) return <>{props.children}</>;
  return (
    <Notice title="The view failed" kind="warning">
      <p>{String(problem)}</p>
      <button type="button" class="button" onClick={again}>
        Try again
      </button>
    </Notice>
  );
}

function View() {
  const now = state.value;
  if (!now) {
    if (connection.value === "refused" || connection.value === "gone") return null;
    return <Notice title="Reading the output of the flow" busy />;
  }
  const absent = nothingYet(now);
  if (absent) return absent;
  const { view } = route.value;
  return (
    <>
      {view === "time" || view === "health" || view === "compare" ? null : <Ribbon />}
      <Suspense fallback={<Notice title="Loading the view" busy />}>
        {view === "live" ? <LiveView /> : null}
        {view === "incidents" ? <IncidentsView /> : null}
        {view === "time" ? <TimeView /> : null}
        {view === "map" ? <MapView /> : null}
        {view === "health" ? <HealthView /> : null}
        {view === "compare" ? <CompareView /> : null}
      </Suspense>
    </>
  );
}
