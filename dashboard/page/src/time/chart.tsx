import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { type Colours, coloursOf, mixed } from "../colours";
import { useSize } from "../data";
import { clock, day, minute, short } from "../format";
import { dark, severalDays, zone } from "../store";
import type { Micros, Series } from "../types";
import { stack } from "./stack";

export interface Line {
  name: string;
  colour: (colours: Colours) => string;
  kind?: "line" | "bars" | "points" | "area" | "thin" | "steps" | "dots";
  digits?: number;
}

export interface ChartProps {
  label: string;
  /** Times in microseconds. */
  x: readonly Micros[];
  series: readonly Series[];
  lines: readonly Line[];
  from: Micros;
  to: Micros;
  height?: number;
  /** The least range of the y axis, so that a quiet series does not look loud. */
  least?: number;
  format?: (value: number) => string;
  /** The numbers beside the chart; short ones if absent. */
  axis?: (value: number) => string;
  /** A dashed line across, and its name. */
  rule?: number;
  ruleName?: string;
  stacked?: boolean;
  brush?: (from: Micros, to: Micros) => void;
  /** Charts with the same name have one cursor; those over the time of the stream if absent. */
  sync?: string;
}

function seriesOf(line: Line, colours: Colours, format: (value: number) => string): uPlot.Series {
  const stroke = line.colour(colours);
  const base: uPlot.Series = {
    label: line.name,
    stroke,
    width: 1.5,
    points: { show: false },
    value: (_plot, value: number | null) => (value === null ? "" : format(value)),
  };
  switch (line.kind ?? "line") {
    case "bars":
      return {
        ...base,
        fill: stroke,
        width: 0,
        paths: uPlot.paths.bars?.({ size: [0.9, 40], align: 1 }) as never,
      };
    case "points":
      return { ...base, paths: () => null, points: { show: true, size: 5, fill: stroke, width: 0 } };
    case "thin":
      return { ...base, width: 1, spanGaps: true };
    case "steps":
      return {
        ...base,
        fill: mixed(stroke, colours.surface, 0.14),
        paths: uPlot.paths.stepped?.({ align: 1 }) as never,
      };
    case "dots":
      return { ...base, spanGaps: true, points: { show: true, size: 4, fill: stroke, width: 0 } };
    case "area":
      return { ...base, width: 1, stroke: colours.surface, fill: mixed(stroke, colours.surface, 0.82) };
    default:
      return { ...base, spanGaps: true };
  }
}

function axes(colours: Colours, axis: (value: number) => string): uPlot.Axis[] {
  const shared = {
    stroke: colours.ink,
    font: "11px system-ui, sans-serif",
    grid: { stroke: colours.line, width: 1 },
    ticks: { show: false },
  };
  return [
    {
      ...shared,
      size: 24,
      gap: 6,
      grid: { show: false },
      space: 76,
      values: (_plot, at) =>
        at.map((s) => {
          const name = minute(s * 1e6, zone.value);
          if ((at[1] ?? 60) - (at[0] ?? 0) < 60) return clock(s * 1e6, zone.value);
          return name === "00:00" ? day(s * 1e6, zone.value) : name;
        }),
    },
    { ...shared, size: 46, gap: 6, space: 28, values: (_plot, at) => at.map(axis) },
  ];
}

function ruleAt(value: number, name: string, colours: Colours) {
  return (plot: uPlot) => {
    const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
    const { left, width, top, height } = plot.bbox;
    if (y < top || y > top + height) return;
    plot.ctx.save();
    plot.ctx.strokeStyle = colours.ink;
    plot.ctx.setLineDash([4, 4]);
    plot.ctx.beginPath();
    plot.ctx.moveTo(left, y);
    plot.ctx.lineTo(left + width, y);
    plot.ctx.stroke();
    const scale = devicePixelRatio;
    plot.ctx.fillStyle = colours.ink;
    plot.ctx.font = `${11 * scale}px system-ui, sans-serif`;
    plot.ctx.textAlign = "left";
    plot.ctx.textBaseline = "bottom";
    plot.ctx.fillText(name, left + 4 * scale, y - 2 * scale);
    plot.ctx.restore();
  };
}

/** A chart over time. All charts share the cursor; a drag chooses a range. */
export function Chart(props: ChartProps) {
  const { ref, width } = useSize<HTMLDivElement>();
  const plot = useRef<uPlot | null>(null);
  const last = useRef(props);
  last.current = props;
  const format = props.format ?? ((value: number) => String(value));
  const names = props.lines.map((line) => line.name).join();
  const shape = `${names} ${dark.value} ${zone.value} ${props.stacked} ${props.rule} ${props.ruleName}`;

  const data = () => {
    const { x, series, stacked } = last.current;
    return [x.map((us) => us / 1e6), ...(stacked ? stack(series) : series)] as uPlot.AlignedData;
  };

  useEffect(() => {
    if (!ref.current || !width) return;
    const colours = coloursOf(dark.value);
    const { lines, stacked, rule, ruleName = "", height = 132, sync = "time", brush } = last.current;
    const options: uPlot.Options = {
      width,
      height,
      padding: [8, 22, 0, 0],
      series: [
        {
          value: (_plot, at: number | null) => {
            if (at === null) return "";
            return `${severalDays.value ? `${day(at * 1e6, zone.value)} ` : ""}${clock(at * 1e6, zone.value)}`;
          },
          label: "",
        },
        ...lines.map((line, i) => {
          const one = seriesOf(line, colours, format);
          if (!stacked) return one;
          return { ...one, value: (_p: uPlot, _v: number, _s: number, at: number | null) => shareAt(i, at) };
        }),
      ],
      axes: axes(colours, last.current.axis ?? short),
      scales: {
        x: { range: () => [last.current.from / 1e6, last.current.to / 1e6] },
        y: {
          range: (_plot, _low, high) => [
            0,
            Math.max((high ?? 0) * (stacked ? 1 : 1.05), last.current.least ?? 0) || 1,
          ],
        },
      },
      cursor: {
        sync: { key: sync },
        y: false,
        points: { size: 6 },
        drag: { x: Boolean(brush), y: false, setScale: false },
      },
      legend: { live: true },
      hooks: {
        draw: rule === undefined ? [] : [ruleAt(rule, ruleName, colours)],
        setSelect: [
          (self) => {
            if (self.select.width < 4) return;
            const [a, b] = [self.select.left, self.select.left + self.select.width];
            last.current.brush?.(
              Math.round(self.posToVal(a, "x") * 1e6),
              Math.round(self.posToVal(b, "x") * 1e6),
            );
            self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    };
    const shareAt = (i: number, at: number | null) => {
      const value = at === null ? null : last.current.series[i]?.[at];
      return value === null || value === undefined ? "" : format(value);
    };
    const made = new uPlot(options, data(), ref.current);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [width, shape]);

  useEffect(() => {
    plot.current?.setData(data());
  }, [props.x, props.series, props.from, props.to]);

  return <div ref={ref} class="chart" role="img" aria-label={props.label} />;
}
