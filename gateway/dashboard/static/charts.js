// Draws the figures of a page. Each has all that it is drawn from beside it, as JSON: numbers for the
// eye and the exact words for people, which are shown as they are, for money is never computed here.
//
//   <figure class="chart" data-kind="stack">            or "bars", "sankey"
//     <div class="plot" role="img" aria-label="..."></div>
//     <script type="application/json">{...}</script>
//   </figure>
//
// stack, bars: {unit: "usd" | "count" | "ms", labels, series: [{name, slot, values, texts, before?}], totals?};
//   slot is the number of a colour, -1 grey; `before` a time to compare with; totals the texts of all together.
// sankey: {nodes: [{name, text, layer, tone, detail?}], links: [{source, target, value, text}]}
//
// Nothing here writes HTML, so that the page's policy can forbid styles and scripts within it. Where the
// library was not built, plots are hidden and the page's tables say the same. `<html data-charts>`
// becomes "drawn" or "none" when that is known.

// On the element itself: a page that loads this file by two addresses has one chart there all the same.
const DRAWN = Symbol.for("entrepot.chart");
const FONT_PX = 12;
const LEAST_PX = 48;
const LABEL_PX = 76;
const LEGEND_TEXT_PX = 14;
const LEGEND_GAP_PX = 8;
const LEGEND_ROW_PX = LEGEND_TEXT_PX + LEGEND_GAP_PX;
const SWATCH_PX = 10;
// How many hours there may be from one name to the next, so that they are round ones.
const HOURS = [1, 2, 3, 6, 12];
// A legend that would be higher than this part of the plot has its names cut instead.
const LEGEND_PART = 0.34;
const LEGEND_NAMES_PX = [260, 170, 120, 84, 60];
const NODE_PX = 10;
// What a node's name has around it.
const NODE_LABEL_PX = 8;
const MOVES_MS = 250;

const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const pen = document.createElement("canvas").getContext("2d");
const plots = new Set();
const resized = new ResizeObserver((entries) => entries.forEach((entry) => fit(entry.target)));
// Only what a page brings with it may grow: what is drawn anew while somebody reads stands still.
let fresh = document.documentElement.dataset.charts === undefined;
const init = await library();

dark.addEventListener("change", () => plots.forEach(repaint));
draw(document);
fresh = false;

/** Returns the library's `init`; null where it was not built: the page may say so, or it is not found. */
async function library() {
  if (document.documentElement.dataset.charts === "none") return null;
  try {
    return (await import("./built/echarts.js")).init ?? null;
  } catch {
    return null;
  }
}

/** Draws all figures within `root` (or `root` itself), anew where their numbers have changed, and drops
 * the charts whose place on the page is gone. */
export function draw(root) {
  for (const plot of plots) if (!plot.isConnected) drop(plot);
  const found = [...root.querySelectorAll("figure.chart")];
  if (root.matches?.("figure.chart")) found.push(root);
  found.forEach(drawFigure);
  document.documentElement.dataset.charts = init ? "drawn" : "none";
}

/** Draws one figure; its plot is hidden where that cannot be done. */
function drawFigure(figure) {
  const plot = figure.querySelector(".plot");
  const text = figure.querySelector('script[type="application/json"]')?.textContent;
  if (!plot || (plot[DRAWN] && plot[DRAWN].text === text)) return;
  try {
    if (!init) throw new Error("there is no library");
    const spec = JSON.parse(text);
    const option = { stack: timeOption, bars: timeOption, sankey: sankeyOption }[figure.dataset.kind];
    if (!(spec.labels ?? spec.nodes).length) throw new Error("there is nothing to draw");
    plot.hidden = false;
    const chart = plot[DRAWN]?.chart ?? init(plot, null, { renderer: "canvas" });
    plot[DRAWN] = { chart, text, spec, option, kind: figure.dataset.kind, size: sizeOf(plot) };
    paint(plot);
    plots.add(plot);
    resized.observe(plot);
  } catch {
    hide(plot);
  }
}

/** Hides a plot that cannot be drawn. */
function hide(plot) {
  drop(plot);
  plot.hidden = true;
}

/** Forgets a plot and what its chart holds. */
function drop(plot) {
  plots.delete(plot);
  resized.unobserve(plot);
  plot[DRAWN]?.chart.dispose();
  delete plot[DRAWN];
}

/** Draws a plot with the colours and in the size of now; what a reader has switched off stays off. */
function paint(plot) {
  const { chart, spec, option, kind, size } = plot[DRAWN];
  // In a part of the page that is folded away: drawn when it unfolds. The library fails without room.
  if (size.width < LEAST_PX || size.height < LEAST_PX) return;
  const selected = chart.getOption()?.legend?.[0]?.selected;
  const made = option(spec, look(plot), size, kind);
  if (made.legend && selected) made.legend.selected = selected;
  made.animation = fresh && !still.matches;
  made.animationDuration = MOVES_MS;
  made.animationEasing = "cubicOut";
  chart.setOption(made, { notMerge: true });
}

/** Draws a plot that is drawn already; it is hidden where that fails. */
function repaint(plot) {
  try {
    paint(plot);
  } catch {
    hide(plot);
  }
}

/** Draws a plot anew where its size is another than it was; drops it where it has left the page. */
function fit(plot) {
  if (!plot.isConnected) return drop(plot);
  const drawn = plot[DRAWN];
  const size = sizeOf(plot);
  if (!drawn || (size.width === drawn.size.width && size.height === drawn.size.height)) return;
  drawn.size = size;
  drawn.chart.resize();
  repaint(plot);
}

/** Returns how much room a plot has. */
function sizeOf(plot) {
  return { width: plot.clientWidth, height: plot.clientHeight };
}

/** Returns the font of a plot and a function that gives a colour of the page's style sheet by name. */
function look(plot) {
  const root = getComputedStyle(document.documentElement);
  const font = getComputedStyle(plot).fontFamily;
  pen.font = `${FONT_PX}px ${font}`;
  const colour = (name) => root.getPropertyValue(`--${name}`).trim() || root.color;
  const text = { color: colour("text"), fontFamily: font, fontSize: FONT_PX };
  return { colour, text, quiet: { ...text, color: colour("quiet") } };
}

/** Returns the options of bars over time: stacked, or side by side; a time before is a line. */
function timeOption(spec, looks, size, kind) {
  const { colour, text, quiet } = looks;
  const legend = legendOf(spec, size, quiet, colour("series-other"));
  const nothing = spec.series.every((one) => one.values.every((value) => !value));
  return {
    textStyle: text,
    // The half of a number stands above the highest line, and of a date beside the last bar.
    grid: {
      left: 0, right: 2, top: 8, bottom: legend.height + 2,
      outerBoundsMode: "same", outerBoundsContain: "axisLabel",
    },
    xAxis: {
      type: "category",
      data: spec.labels,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colour("line") } },
      axisLabel: {
        ...quiet,
        interval: named(spec.labels, Math.max(2, Math.floor(size.width / LABEL_PX))),
        formatter: (label) => timeName(label, false),
        hideOverlap: true,
      },
    },
    yAxis: {
      type: "value",
      splitNumber: size.height - legend.height < 170 ? 2 : 4,
      minInterval: spec.unit === "count" ? 1 : 0,
      // Where there is nothing there is no scale either.
      ...(nothing ? { max: 1, interval: 1 } : {}),
      axisLabel: { ...quiet, formatter: (value) => (nothing && value ? "" : numberName(value, spec.unit)) },
      splitLine: { lineStyle: { color: colour("line") } },
    },
    legend: legend.option,
    tooltip: {
      ...tooltipOf(looks, (found) => timeTip(spec, found)),
      trigger: "axis",
      axisPointer: { type: "shadow", z: 0, shadowStyle: { color: colour("line"), opacity: 0.45 } },
    },
    series: seriesOf(spec, colour, kind),
  };
}

/** Returns which of the labels have room for their names, `most` of them: of hours the round ones, of
 * others every so many, counted from the end so that the newest has its name. */
function named(labels, most) {
  const step = Math.ceil(labels.length / most);
  if (!/^\d{4}-\d\d-\d\dT/.test(labels[0])) return (n) => (labels.length - 1 - n) % step === 0;
  const hours = HOURS.find((one) => one >= step) ?? 24;
  return (n) => Number(labels[n].slice(11, 13)) % hours === 0;
}

/** Returns the bars and lines of a chart over time. They are named by number: two may be called the same. */
function seriesOf(spec, colour, kind) {
  const tops = kind === "stack" ? topsOf(spec) : [];
  return spec.series.map((one, n) => {
    const tint = colour(one.before ? "quiet" : one.slot < 0 ? "series-other" : `series-${one.slot}`);
    // Silent: pointing at a name in the legend makes the others faint, pointing at a bar does not.
    const shared = { name: String(n), color: tint, silent: true, emphasis: { focus: "series" }, blur: faint(0.2) };
    if (one.before) {
      return {
        ...shared, type: "line", data: one.values, z: 3,
        showSymbol: one.values.length === 1, symbol: "circle", symbolSize: 5,
        lineStyle: { color: tint, width: 1.5, type: [4, 3] },
      };
    }
    return {
      ...shared,
      type: "bar",
      stack: kind === "stack" ? "all" : undefined,
      barMaxWidth: 44,
      barCategoryGap: "26%",
      barGap: "8%",
      itemStyle: kind === "stack" ? {} : { borderRadius: [2, 2, 0, 0] },
      data: one.values.map((value, at) =>
        tops[at] === n ? { value, itemStyle: { borderRadius: [2, 2, 0, 0] } } : value),
    };
  });
}

/** Returns for each time which series is the highest in its stack, for its round corners. */
function topsOf(spec) {
  return spec.labels.map((_, at) => spec.series.findLastIndex((one) => !one.before && one.values[at] > 0));
}

/** Returns the style of what is not meant while something else is pointed at. */
function faint(opacity) {
  return { itemStyle: { opacity }, lineStyle: { opacity } };
}

/** Returns a legend below the bars, and how high it is: its names are cut where it would get too high. */
function legendOf(spec, size, quiet, off) {
  const names = spec.series.map((one) => one.name);
  if (names.length < 2) return { option: { show: false }, height: 0 };
  const room = Math.max(1, Math.floor((size.height * LEGEND_PART) / LEGEND_ROW_PX));
  let shown = names;
  let rows = 0;
  for (const most of LEGEND_NAMES_PX) {
    shown = names.map((name) => cut(name, most));
    rows = rowsOf(shown, size.width);
    if (rows <= room) break;
  }
  const option = {
    left: 0, bottom: 0, width: size.width, padding: 0,
    itemGap: LEGEND_GAP_PX, itemWidth: SWATCH_PX, itemHeight: SWATCH_PX,
    data: names.map((_, n) => ({ name: String(n), icon: spec.series[n].before ? "path://M0 0h10v2h-10z" : "roundRect" })),
    formatter: (n) => shown[n],
    // A gap of the legend's own would be as high as wide.
    textStyle: { ...quiet, lineHeight: LEGEND_TEXT_PX, padding: [0, LEGEND_GAP_PX, 0, 0] },
    inactiveColor: off,
    inactiveBorderWidth: 0,
  };
  return { option, height: rows * LEGEND_ROW_PX + LEGEND_GAP_PX };
}

/** Returns how many rows names fill in a legend of this width. */
function rowsOf(names, width) {
  let rows = 1;
  let used = 0;
  for (const name of names) {
    // 5: what the library leaves between a swatch and its name.
    const item = SWATCH_PX + 5 + pen.measureText(name).width + LEGEND_GAP_PX;
    if (used > 0 && used + item > width) {
      rows += 1;
      used = 0;
    }
    used += item + LEGEND_GAP_PX;
  }
  return rows;
}

/** Returns the options of flows from left to right; each layer's nodes stand below each other. */
function sankeyOption(spec, looks, size) {
  const { colour, text } = looks;
  const layers = Math.max(...spec.nodes.map((node) => node.layer)) + 1;
  const many = Math.max(...Array.from({ length: layers }, (_, layer) =>
    spec.nodes.filter((node) => node.layer === layer).length));
  const nodes = new Map(spec.nodes.map((node) => [node.name, node]));
  const { last, between } = roomsOf(spec, layers, size.width);
  const names = spec.nodes.map((node) => cut(node.text, (node.layer === layers - 1 ? last : between) - NODE_LABEL_PX));
  const tone = (node) => colour(node?.tone ? `tone-${node.tone}` : "quiet");
  return {
    textStyle: text,
    tooltip: tooltipOf(looks, ({ data, dataType }) => flowTip(nodes, data, dataType, tone)),
    series: [{
      type: "sankey",
      left: 0, right: last, top: 8, bottom: 8,
      nodeWidth: NODE_PX,
      nodeGap: Math.min(16, (size.height * 0.5) / many),
      draggable: false,
      emphasis: { focus: "adjacency", lineStyle: { opacity: 0.55 } },
      blur: { itemStyle: { opacity: 0.35 }, lineStyle: { opacity: 0.1 }, label: { opacity: 0.5 } },
      animationDuration: MOVES_MS,
      data: spec.nodes.map((node) => ({
        name: node.name,
        depth: node.layer,
        itemStyle: { color: tone(node), borderWidth: 0, borderRadius: 2 },
      })),
      links: spec.links.map((link) => {
        const to = nodes.get(link.target);
        return { ...link, lineStyle: { color: tone(to?.tone ? to : nodes.get(link.source)), opacity: 0.3 } };
      }),
      label: {
        ...text, distance: 6, textBorderColor: colour("card"), textBorderWidth: 2,
        formatter: ({ dataIndex }) => names[dataIndex],
      },
      labelLayout: { hideOverlap: true },
    }],
  };
}

/** Returns how much room the last layer's names have to the right of it, and those of the others before
 * the next layer. */
function roomsOf(spec, layers, width) {
  const ends = spec.nodes.filter((node) => node.layer === layers - 1).map((node) => pen.measureText(node.text).width);
  const last = Math.ceil(Math.min((width * 0.9) / layers, Math.max(...ends) + NODE_LABEL_PX));
  const between = (width - last - layers * NODE_PX) / Math.max(1, layers - 1);
  return { last, between };
}

/** Returns what tooltips look like. `formatter` gives elements whose styles are set one by one, which the
 * page's policy allows; of a text in HTML it would forbid them. */
function tooltipOf({ colour, text }, formatter) {
  return {
    className: "tip",
    confine: true,
    backgroundColor: colour("card"),
    borderColor: colour("line"),
    borderRadius: 6,
    padding: [8, 12],
    shadowBlur: 14,
    shadowColor: "rgba(0, 0, 0, 0.16)",
    shadowOffsetX: 0,
    shadowOffsetY: 3,
    transitionDuration: 0,
    textStyle: text,
    formatter,
  };
}

/** Returns what a tooltip says of one time: the texts of all that is not nothing then. */
function timeTip(spec, found) {
  const at = found[0].dataIndex;
  const all = found.map(({ seriesIndex, color }) => {
    const one = spec.series[seriesIndex];
    return { colour: color, name: one.name, text: one.texts[at], line: one.before };
  });
  // A bar of no length may be of an unknown cost: only a text that says nothing but 0 is left out.
  const rows = all.filter((row) => !/^[^\p{L}1-9?]*$/u.test(row.text));
  const whole = rows.length > 1 && found.length === spec.series.length;
  return tip(timeName(spec.labels[at], true), (whole && spec.totals?.[at]) || "", rows.length ? rows : all.slice(0, 1));
}

/** Returns what a tooltip says of a flow, or of a node. */
function flowTip(nodes, data, dataType, tone) {
  const row = (id) => ({ colour: tone(nodes.get(id)), name: nodes.get(id).text, text: "" });
  if (dataType === "edge") return tip(data.text, "", [row(data.source), row(data.target)]);
  const { text, detail } = nodes.get(data.name);
  return tip(text, "", detail ? [{ name: detail, text: "" }] : []);
}

/** Returns a tooltip: a title with a text beside it, and rows of a colour, a name and a text. */
function tip(title, beside, rows) {
  const quiet = { color: getComputedStyle(document.documentElement).getPropertyValue("--quiet") };
  const right = { textAlign: "right", fontWeight: "600", fontVariantNumeric: "tabular-nums" };
  const table = element("div", {
    display: "grid", gridTemplateColumns: "auto minmax(0, 1fr) auto", columnGap: "8px", rowGap: "2px",
    alignItems: "center", maxWidth: "min(24rem, 70vw)", whiteSpace: "normal", overflowWrap: "anywhere",
  });
  table.append(element("div", { gridColumn: "1 / 3", fontWeight: "600" }, title), element("div", right, beside));
  for (const row of rows) {
    const height = row.line ? "2px" : "10px";
    const swatch = { width: "10px", height, borderRadius: row.line ? "0" : "2px", background: row.colour ?? "none" };
    table.append(element("div", swatch), element("div", quiet, row.name), element("div", right, row.text));
  }
  return table;
}

/** Returns an element with styles and a text. */
function element(name, styles, text = "") {
  const made = document.createElement(name);
  Object.assign(made.style, styles);
  made.textContent = text;
  return made;
}

/** Returns a text that is at most so many pixels wide: its middle is left out, for names differ at their
 * ends as often as at their beginnings. */
function cut(text, most) {
  if (pen.measureText(text).width <= most) return text;
  const signs = [...text];
  let keep = signs.length;
  let shown = text;
  while (keep > 2 && pen.measureText(shown).width > most) {
    keep -= 1;
    shown = `${signs.slice(0, Math.ceil(keep / 2)).join("")}…${signs.slice(signs.length - Math.floor(keep / 2)).join("")}`;
  }
  return shown;
}

/** Returns a number of an axis, short: what it stands for is exact in the tooltips. */
function numberName(value, unit) {
  const short = (n) => new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(n);
  const sign = value < 0 ? "−" : "";
  const size = Math.abs(value);
  if (unit === "usd") return `${sign}$${short(size)}`;
  if (unit === "ms") return size < 1000 ? `${sign}${short(size)} ms` : `${sign}${short(size / 1000)} s`;
  return sign + short(size);
}

/** Returns an hour, day, week or month (2026-11-01T14:00+01:00, 2026-11-01, 2026-W44, 2026-11) in the
 * page's language; any other name as it is. */
function timeName(label, long) {
  const [, year, month, day, hour] = /^(\d{4})-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d).*)?)?$/.exec(label) ?? [];
  if (!year) return long ? label : cut(label.replace(/^\d{4}-(?=W\d\d$)/, ""), LABEL_PX);
  if (hour && !long && hour !== "00:00") return hour;
  const fields = day
    ? { day: "numeric", month: "short", ...(long ? { weekday: "short", year: "numeric" } : {}) }
    : { month: long ? "long" : "short", year: "numeric" };
  const language = document.documentElement.lang || undefined;
  const date = new Date(Date.UTC(+year, +month - 1, +(day ?? 1)));
  const told = new Intl.DateTimeFormat(language, { ...fields, timeZone: "UTC" }).format(date);
  return hour && long ? `${told}, ${hour}` : told;
}
