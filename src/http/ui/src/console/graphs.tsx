// The last ten minutes of a stream and of the board, as the box remembers them.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { type BoardHistory, get, type StreamHistory } from "./api.ts";
import { bitrate } from "./format.ts";
import { newest, type Numbers } from "./graph_data.ts";
import { may } from "./session.ts";
import { Card } from "./ui.tsx";

/** As often as the box takes samples. */
const ASK_MS = 2_000;
const SPAN_S = 600;
const HEIGHT_PX = 128;

interface Graph {
  title: string;
  numbers: Numbers;
  step_s: number;
  color: string;
  words: (value: number) => string;
  /** The axis goes at least from 0 to this. */
  least: number;
  /** A bar for each step, not a line. */
  bars?: boolean;
}

export function Graphs({ name }: { name: string }) {
  const [stream, setStream] = useState<StreamHistory | null>(null);
  const [board, setBoard] = useState<BoardHistory | null>(null);
  const observes = may("viewer");
  useEffect(() => {
    const ask = async (): Promise<void> => {
      if (document.hidden) return;
      // What fails now may go well in two seconds; the page says elsewhere that the box is away.
      await get<StreamHistory>(`/streams/${name}/history`).then(setStream, () => {});
      if (observes) await get<BoardHistory>("/system/history").then(setBoard, () => {});
    };
    void ask();
    const timer = setInterval(() => void ask(), ASK_MS);
    return () => clearInterval(timer);
  }, [name, observes]);
  if (stream === null) return null;
  return (
    <div class="graphs">
      {graphs(stream, board).map((graph) => <Plot key={graph.title} graph={graph} />)}
    </div>
  );
}

function graphs({ step_s, bitrate_bps, fps, dropped, viewers }: StreamHistory, board: BoardHistory | null): Graph[] {
  const temperature = board?.temperature_celsius ?? [];
  return [
    { title: "Bitrate", numbers: bitrate_bps, step_s, color: "--blue", words: bitrate, least: 500_000 },
    { title: "Pictures a second", numbers: fps, step_s, color: "--green", words: (value) => `${value.toFixed(1)} fps`, least: 10 },
    { title: "Drops", numbers: dropped, step_s, color: "--red", words: (value) => `${value} in ${step_s} s`, least: 4, bars: true },
    { title: "Viewers", numbers: viewers, step_s, color: "--violet", words: String, least: 4 },
    ...(temperature.some((celsius) => celsius !== null) && board !== null
      ? [{ title: "Temperature", numbers: temperature, step_s: board.step_s, color: "--amber", words: (value: number) => `${value.toFixed(1)} °C`, least: 60 }]
      : []),
  ];
}

function Plot({ graph }: { graph: Graph }) {
  const { title, numbers, step_s, words } = graph;
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(graph);
  latest.current = graph;
  const [pointed, setPointed] = useState<string | null>(null);

  useEffect(() => {
    const element = frame.current!;
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, latest, setPointed), data(latest.current), element);
    };
    draw();
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    sized.observe(element);
    scheme.addEventListener("change", draw);
    return () => {
      sized.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.setData(data(graph)), [graph.numbers]);

  const now = newest(numbers);
  const known = numbers.filter((number) => number !== null);
  const told = known.length === 0 ? "nothing yet"
    : `${words(now!)} now, from ${words(Math.min(...known))} to ${words(Math.max(...known))} over the last ${Math.ceil((numbers.length * step_s) / 60)} minutes`;
  return (
    <Card>
      <div class="graph-head"><h2>{title}</h2><span class="quiet">{pointed ?? (now === null ? "" : words(now))}</span></div>
      <div class="graph" ref={frame} role="img" aria-label={`${title}: ${told}`} data-points={known.length} />
    </Card>
  );
}

/** Seconds before now, and the numbers. */
function data({ numbers, step_s }: Graph): uPlot.AlignedData {
  return [numbers.map((_, index) => (index - numbers.length + 1) * step_s), numbers];
}

function options(element: HTMLElement, latest: { current: Graph }, pointed: (text: string | null) => void): uPlot.Options {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  const { color, least, bars } = latest.current;
  const stroke = of(color);
  const axis = { stroke: of("--quiet"), font: "11px system-ui, sans-serif", ticks: { show: false } };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    padding: [8, 14, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: {
      x: { time: false, range: [-SPAN_S, 0] },
      y: { range: (_, __, most) => [0, Math.max(least, (most ?? 0) * 1.1)] },
    },
    series: [
      {},
      { stroke, width: 1.8, fill: `${stroke}22`, points: { show: false }, spanGaps: false,
        ...(bars ? { paths: uPlot.paths.bars!({ size: [1, 6] }), fill: stroke, width: 0 } : {}) },
    ],
    axes: [
      { ...axis, size: 22, splits: () => [-600, -480, -360, -240, -120, 0], grid: { show: false },
        values: (_, at) => at.map((second) => (second === 0 ? "now" : `−${-second / 60} min`)) },
      { ...axis, size: 44, space: 32, grid: { stroke: of("--line"), width: 1 },
        values: (_, at) => at.map((value) => short(value)) },
    ],
    hooks: {
      setCursor: [({ cursor: { idx } }) => {
        const { numbers, step_s, words } = latest.current;
        const value = idx == null ? null : numbers[idx] ?? null;
        const ago = idx == null ? 0 : (numbers.length - 1 - idx) * step_s;
        pointed(value === null ? null : `${words(value)}${ago > 0 ? `, ${ago} s ago` : ""}`);
      }],
    },
  };
}

/** "2.5M" */
function short(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (value >= 1e3) return `${+(value / 1e3).toFixed(0)}k`;
  return String(+value.toFixed(1));
}
