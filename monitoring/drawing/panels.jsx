// Draws a dashboard with Grafana's own components, from what a Prometheus answered to its queries.

import {
  applyFieldOverrides,
  buildHistogram,
  cacheFieldDisplayNames,
  createDataFrame,
  createTheme,
  dateTime,
  FieldType,
  getFieldDisplayValues,
  histogramFieldsToFrame,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  ThemeContext,
  transformDataFrame,
} from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, TimeSeries, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";

const COLUMNS = 24;
const CELL = 30;
const GAP = 8;
const theme = createTheme({ colors: { mode: "light" } });
const timeZone = "utc";
const replaceVariables = (text) => text;

// What Grafana's panels take where a dashboard says nothing. Its histogram is not among the published components: the
// time series draws the bins that Grafana's own transformation makes.
const PALETTE = { color: { mode: "palette-classic" } };
const DEFAULTS = {
  timeseries: { ...PALETTE, custom: { lineWidth: 1, fillOpacity: 0, showPoints: "auto", pointSize: 5 } },
  histogram: {
    ...PALETTE,
    custom: { lineWidth: 1, drawStyle: "bars", barAlignment: 1, barWidthFactor: 1, showPoints: "never", axisSoftMin: 0 },
  },
  stat: { color: { mode: "thresholds" } },
  table: { color: { mode: "thresholds" }, custom: { align: "auto", cellOptions: { type: "auto" } } },
};
const THRESHOLDS = { mode: "absolute", steps: [{ value: -Infinity, color: "green" }] };

// Grafana registers at its start which settings and transformations there are; here, those that the dashboard names.
function register(panels) {
  const ids = panels.flatMap(({ fieldConfig: { defaults, overrides } }) => [
    ...Object.keys(defaults).filter((key) => key !== "custom"),
    ...Object.keys(defaults.custom).map((key) => `custom.${key}`),
    ...overrides.flatMap(({ properties }) => properties.map(({ id }) => id)),
  ]);
  const setting = (id) => ({
    id,
    path: id.replace("custom.", ""),
    isCustom: id.startsWith("custom."),
    shouldApply: () => true,
    process: (value) => value,
  });
  standardFieldConfigEditorRegistry.setInit(() => [...new Set(ids)].map(setting));
  const { mergeTransformer, organizeFieldsTransformer } = standardTransformers;
  standardTransformersRegistry.setInit(() =>
    [mergeTransformer, organizeFieldsTransformer].map((one) => ({ ...one, transformation: async () => one })),
  );
}

function withDefaults(panel) {
  const { defaults, overrides } = panel.fieldConfig;
  const own = DEFAULTS[panel.type];
  const custom = { ...own.custom, ...defaults.custom };
  return { ...panel, fieldConfig: { overrides, defaults: { thresholds: THRESHOLDS, ...own, ...defaults, custom } } };
}

// An answer as the frames that Grafana's data source makes of it.
function framesOf(panel, answers, step) {
  return panel.targets.flatMap((target) => {
    const found = answers[target.refId];
    return target.format === "table" ? asTable(found, target, panel) : found.map((series) => asSeries(series, target, step));
  });
}

function asTable(found, { refId }, panel) {
  const labels = [...new Set(found.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const fields = [
    { name: "Time", type: FieldType.time, values: found.map(({ value }) => value[0] * 1000) },
    ...labels.map((name) => ({ name, type: FieldType.string, values: found.map(({ metric }) => metric[name] ?? "") })),
    {
      name: panel.targets.length > 1 ? `Value #${refId}` : "Value",
      type: FieldType.number,
      values: found.map(({ value }) => Number(value[1])),
    },
  ];
  return found.length ? [createDataFrame({ refId, fields })] : [];
}

function asSeries({ metric, values, value }, { refId, legendFormat }, step) {
  const samples = values ?? [value];
  const displayNameFromDS = legendFormat?.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? "");
  const finite = (number) => (Number.isFinite(number) ? number : null);
  return createDataFrame({
    refId,
    fields: [
      { name: "Time", type: FieldType.time, config: { interval: step * 1000 }, values: samples.map(([at]) => at * 1000) },
      {
        name: "Value",
        type: FieldType.number,
        labels: metric,
        config: { displayNameFromDS },
        values: samples.map(([, text]) => finite(Number(text))),
      },
    ],
  });
}

async function prepared(panel, { panels, step }) {
  let data = framesOf(panel, panels[panel.title], step);
  data = await new Promise((done) => transformDataFrame(panel.transformations, data).subscribe(done));
  if (panel.type === "histogram") {
    const bins = buildHistogram(data, panel.options, theme);
    data = bins ? [histogramFieldsToFrame(bins, theme)] : [];
  }
  const frames = applyFieldOverrides({ data, fieldConfig: panel.fieldConfig, replaceVariables, theme, timeZone });
  cacheFieldDisplayNames(frames);
  return frames;
}

function Series(props) {
  return <TimeSeries legend={props.panel.options.legend ?? { showLegend: false }} timeZone={timeZone} {...props} />;
}

function Histogram(props) {
  const isEdge = ({ name }) => ["xMin", "xMax"].includes(name);
  return <Series fields={{ x: ({ name }) => name === "xMin", y: (field) => !isEdge(field) }} {...props} />;
}

function Stat({ panel, frames, width, height }) {
  const { reduceOptions, ...options } = panel.options;
  const asked = { data: frames, fieldConfig: panel.fieldConfig, reduceOptions, replaceVariables, theme, timeZone };
  return (
    <VizRepeater
      {...{ width, height, source: frames, getValues: () => getFieldDisplayValues(asked) }}
      renderValue={({ value, width, height, count }) => (
        <BigValue {...{ ...options, theme, value: value.display, width, height, count }} />
      )}
    />
  );
}

function Table({ panel, frames, ...place }) {
  return <TableNG data={frames[0]} fieldConfig={panel.fieldConfig} cellHeight="sm" {...place} />;
}

const DRAWN = { timeseries: Series, histogram: Histogram, stat: Stat, table: Table };

function Panel({ panel, frames, timeRange, width, height }) {
  const Drawn = frames.length ? DRAWN[panel.type] : () => "No data";
  return (
    <PanelChrome title={panel.title} width={width} height={height}>
      {(width, height) => <Drawn {...{ panel, frames, timeRange, width, height }} />}
    </PanelChrome>
  );
}

// Resolves to the height of the whole picture.
window.draw = async (dashboard, board, width) => {
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  const styled = (children) => (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      {children}
    </ThemeContext.Provider>
  );
  // Numbers and axes are fitted to their text, in the font that is there when it is measured.
  flushSync(() => root.render(styled(null)));
  await Promise.all(["400 12px Inter", "500 14px Inter"].map((font) => document.fonts.load(font)));
  const column = (width - GAP) / COLUMNS;
  const place = ({ x, y, w, h }) => ({
    left: GAP + x * column,
    top: GAP + y * (CELL + GAP),
    width: w * column - GAP,
    height: h * (CELL + GAP) - GAP,
  });
  const [from, to] = [board.began, board.ended].map((at) => dateTime(at * 1000));
  const timeRange = { from, to, raw: { from, to } };
  const panels = dashboard.panels.filter(({ type }) => type !== "row").map(withDefaults);
  register(panels);
  const frames = await Promise.all(panels.map((panel) => prepared(panel, board)));
  const at = (gridPos, child) => (
    <div key={`${gridPos.x} ${gridPos.y}`} style={{ position: "absolute", ...place(gridPos) }}>
      {child}
    </div>
  );
  root.render(
    styled([
      ...dashboard.panels.filter(({ type }) => type === "row").map(({ gridPos, title }) => at(gridPos, <h5>{title}</h5>)),
      ...panels.map((panel, number) =>
        at(panel.gridPos, <Panel {...{ panel, frames: frames[number], timeRange, ...place(panel.gridPos) }} />),
      ),
    ]),
  );
  return Math.max(...panels.map(({ gridPos }) => place(gridPos).top + place(gridPos).height + GAP));
};
