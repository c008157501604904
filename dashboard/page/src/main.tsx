import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { themeChoice } from "./store";
import "./style/base.css";
import "./style/shell.css";
import "./style/table.css";
import "./style/detail.css";
import "./style/incidents.css";
import "./style/small.css";
import { start } from "./updates";

effect(() => {
  const chosen = themeChoice.value.value;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
});

const root = document.getElementById("page");
if (root) render(<App />, root);
void start();
