/** The plan and its picture as one HTML file that needs nothing else: to mail, to keep with a build, to print. */
import { describeCoverage } from './coverage';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from './format';
import type { Picture } from './picture';
import { cellPaths, escapeXml as escapeHtml, MAP_COLORS, round } from './picture/svg';
import type { Cell } from './picture/types';
import type { Best, BuildAdvice, Forecast, Plan, PlanLayer, Rule } from './types';
import { blameSection } from './report/blame';
import { shorten, WIDTH } from './report/html';
import { timelineSvg } from './report/timeline';
import { assumptions, MODE_NAMES } from './words';

/** CSS pixels, the fewest for a layer of a few hundred bytes. */
const NARROWEST = 3;
const BAR = 18;
/** Cells of all bars together: keeps the file small for images of many layers. */
const CELLS = 6000;
const CELL_WIDTH = 2;
/** Files that are listed. */
const FILES = 40;

/** `plan` and `picture` are of the same image; the map is drawn at the plan's recommended span size. */
export function renderReport(plan: Plan, picture: Picture): string {
  const { reference, digest, platform } = plan.image;
  const size = plan.layers.reduce((sum, layer) => sum + layer.size, 0);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Start of ${escapeHtml(reference)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(reference)}</h1>
<p class="faint">${escapeHtml(platform)} · ${escapeHtml(digest)} · ${formatCount(plan.layers.length)} layers, ${formatBytes(size)}</p>
<p class="reason">${escapeHtml(plan.choice.reason)}</p>
${figures(plan)}
<h2>Layers and spans of ${formatSize(plan.choice.spanSize)}</h2>
<div class="scroll">${map(plan, picture)}</div>
<p class="faint legend"><svg width="14" height="12" aria-hidden="true"><rect class="touched" width="14" height="12"/></svg> read by the start
<svg width="14" height="12" aria-hidden="true"><rect class="unused" width="14" height="12"/></svg> fetched with it, unread
<svg width="14" height="12" aria-hidden="true"><rect class="untouched" y="8" width="14" height="4"/></svg> never fetched
<svg width="14" height="12" aria-hidden="true"><rect class="whole" x=".5" y=".5" width="13" height="11"/></svg> outside the index: pulled whole</p>
<h2>Span sizes</h2>
${sizes(plan)}
<h2>Time to ready</h2>
${modes(plan.modes)}
<p>${escapeHtml(plan.advice.reason)}</p>
<ul>${plan.advice.rules.map((rule) => `<li>${withEvidence(rule)}</li>`).join('')}</ul>
${plan.best ? bestIndex(plan.best) : ''}
${build(plan.build ?? [])}
${plan.trace ? `<h2>The start in time</h2>${timelineSvg(picture.timeline(null))}` : ''}
${blameSection(picture.blame({ spanSize: plan.choice.spanSize, minLayerSize: plan.minLayerSize }))}
${files(plan, picture)}
<h2>Notes</h2>
<ul>${[...plan.notes, assumptions(plan)].map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>
${coverage(plan)}
</main>
</body>
</html>
`;
}

function figures({ layers, trace, rows, choice, modes }: Plan): string {
  const row = rows.find((one) => one.spanSize === choice.spanSize);
  if (trace === null || row === undefined) return '';
  const all = layers.reduce((sum, layer) => sum + (layer.uncompressedSize ?? 0), 0);
  const read = layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
  const whole = modes.find((mode) => mode.mode === 'docker-pull');
  const figure = (label: string, value: string, more: string): string =>
    `<div><span>${label}</span><strong>${value}</strong><span class="faint">${more}</span></div>`;
  return `<div class="figures">${[
    figure(
      'Read by the start',
      formatShare(all === 0 ? 0 : read / all),
      `${formatBytes(read)} in ${formatCount(trace.files)} files`,
    ),
    figure(
      'Spans fetched',
      `${formatCount(row.touchedSpans)} of ${formatCount(row.spans)}`,
      `${formatBytes(row.spanBytes)}, ${formatShare(row.waste)} of it unused`,
    ),
    figure('Index', formatBytes(row.ztocBytes), 'in ztocs'),
    figure(
      'Ready after about',
      formatSeconds(row.lazy.totalSeconds),
      whole ? `${formatSeconds(whole.totalSeconds)} with a plain pull` : '',
    ),
  ].join('')}</div>`;
}

/** A table, so that it reads without the bars too. */
function map({ layers, choice }: Plan, picture: Picture): string {
  const largest = Math.max(1, ...layers.map((layer) => layer.size));
  const limit = Math.max(1, Math.floor(CELLS / Math.max(1, layers.length)));
  const lines = layers.map((layer) => {
    const width = Math.max(NARROWEST, (layer.size / largest) * WIDTH);
    const { cells, spans, touched, fetchedBytes } = layer.indexed
      ? picture.cells({
          layer: layer.index,
          spanSize: choice.spanSize,
          axis: 'compressed',
          start: 0,
          end: layer.size,
          limit: Math.min(limit, Math.ceil(width / CELL_WIDTH)),
        })
      : { cells: [], spans: 0, touched: 0, fetchedBytes: layer.size };
    return `<tr><td class="number">${formatCount(layer.index)}</td><td class="instruction"><bdi>${escapeHtml(layer.instruction ?? layer.digest.slice(0, 19))}</bdi>${
      layer.notIndexed === null ? '' : `<small>${escapeHtml(layer.notIndexed)}</small>`
    }</td><td>${bar(layer, cells, width)}</td><td class="number">${formatBytes(layer.size)}</td><td class="number">${
      layer.indexed ? `${formatCount(touched)} of ${formatCount(spans)}` : 'whole layer'
    }</td><td class="number">${formatBytes(fetchedBytes)}</td><td class="number">${formatCount(layer.touchedFiles)}</td><td class="number">${formatBytes(layer.touchedBytes)}</td></tr>`;
  });
  return `<table><thead><tr><th class="number">Layer</th><th>Made by</th><th>Spans</th><th class="number">Size</th><th class="number">Spans fetched</th><th class="number">Bytes fetched</th><th class="number">Files read</th><th class="number">Bytes read</th></tr></thead><tbody>${lines.join('')}</tbody></table>`;
}

function bar(layer: PlanLayer, cells: readonly Cell[], width: number): string {
  const drawn = layer.indexed
    ? cellPaths(cells, BAR, width / Math.max(1, layer.size))
    : `<rect class="whole" x=".5" y=".5" width="${round(width)}" height="${BAR - 1}"/>`;
  return `<svg width="${WIDTH}" height="${BAR}" viewBox="0 0 ${WIDTH} ${BAR}" aria-hidden="true">${drawn}</svg>`;
}

function sizes({ rows, choice, trace }: Plan): string {
  const lines = rows.map((row) => {
    const best = row.spanSize === choice.spanSize;
    const timed = (text: string): string => (trace === null ? '–' : text);
    const cells = [
      timed(`${formatCount(row.touchedSpans)} of ${formatCount(row.spans)}`),
      timed(formatBytes(row.spanBytes)),
      timed(formatShare(row.waste)),
      formatBytes(row.ztocBytes),
      timed(formatCount(row.serialFetches)),
      timed(formatSeconds(row.lazy.totalSeconds)),
      timed(formatSeconds(row.prefetch.totalSeconds)),
    ];
    return `<tr${best ? ' class="best"' : ''}><td>${formatSize(row.spanSize)}${best ? ' ✓' : ''}</td>${cells.map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr><th>Span size</th><th class="number">Spans fetched</th><th class="number">Bytes of spans</th><th class="number">Unused</th><th class="number">Ztocs</th><th class="number">Waits</th><th class="number">Ready, lazy</th><th class="number">Ready, prefetch</th></tr></thead><tbody>${lines.join('')}</tbody></table></div>`;
}

function withEvidence({ text, evidence }: Rule): string {
  return `${escapeHtml(text)} <small>${escapeHtml(evidence)}</small>`;
}

/** The best index of any kind, with those to choose from. */
function bestIndex({ reason, evidence, table }: Best): string {
  const lines = table.map((row) => {
    const cells = [formatSeconds(row.totalSeconds), formatBytes(row.bytes), formatBytes(row.indexBytes)];
    return `<tr${row.best ? ' class="best"' : ''}><td>${escapeHtml(row.name)}${row.best ? ' ✓' : ''}</td>${cells.map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`;
  });
  return `<h2>Best index</h2><p>${withEvidence({ text: reason, evidence })}</p><div class="scroll"><table><thead><tr><th>Way to index</th><th class="number">Ready</th><th class="number">Bytes</th><th class="number">Ztocs</th></tr></thead><tbody>${lines.join('')}</tbody></table></div>`;
}

/** What to change in the Dockerfile. */
function build(list: readonly BuildAdvice[]): string {
  if (list.length === 0) return '';
  const lines = list.map(({ text, evidence, before, after }) => {
    const win = `${text} Ready after ${formatSeconds(after.totalSeconds)} instead of ${formatSeconds(before.totalSeconds)}.`;
    return `<li>${withEvidence({ text: win, evidence })}</li>`;
  });
  return `<h2>What to change in the Dockerfile</h2><ul>${lines.join('')}</ul>`;
}

function modes(list: readonly Forecast[]): string {
  const longest = Math.max(Number.MIN_VALUE, ...list.map((mode) => mode.totalSeconds));
  const lines = list.map((mode) => {
    const pull = ((mode.totalSeconds - mode.startSeconds) / longest) * WIDTH;
    const start = (mode.startSeconds / longest) * WIDTH;
    return `<tr><td>${MODE_NAMES[mode.mode]}</td><td class="number"><strong>${formatSeconds(mode.totalSeconds)}</strong></td><td><svg width="${WIDTH}" height="14" viewBox="0 0 ${WIDTH} 14" preserveAspectRatio="none" aria-hidden="true"><rect class="pull" width="${round(pull)}" height="14"/><rect class="touched" x="${round(pull)}" width="${round(start)}" height="14"/></svg></td><td>${formatSeconds(mode.pullSeconds)} pull, ${formatSeconds(mode.startSeconds)} start, ${formatBytes(mode.bytes)} in ${formatCount(mode.requests)} requests</td></tr>`;
  });
  return `<div class="scroll"><table><tbody>${lines.join('')}</tbody></table></div>`;
}

/** The files that the start read most of. */
function files({ trace }: Plan, picture: Picture): string {
  if (trace === null) return '';
  const { rows, total } = picture.entries({
    layer: null,
    filter: '',
    touchedOnly: true,
    type: 'reg',
    package: null,
    time: null,
    sort: 'touched',
    descending: true,
    offset: 0,
    limit: FILES,
  });
  const lines = rows.map(
    (row) =>
      `<tr><td class="instruction"><bdi>${escapeHtml(shorten(row.path))}</bdi></td><td class="number">${formatCount(row.layer)}</td><td class="number">${formatBytes(row.size)}</td><td class="number">${formatBytes(row.touched)}</td><td class="number">${row.at === null ? '–' : `${formatCount(Math.round(row.at))} ms`}</td></tr>`,
  );
  return `<h2>Files read most</h2><div class="scroll"><table><thead><tr><th>Path</th><th class="number">Layer</th><th class="number">Size</th><th class="number">Read</th><th class="number">First touch</th></tr></thead><tbody>${lines.join('')}</tbody></table></div>${
    total > rows.length ? `<p class="faint">… and ${formatCount(total - rows.length)} more.</p>` : ''
  }`;
}

/** What became of the trace's paths, so that a wrong image shows at once. */
function coverage({ trace }: Plan): string {
  if (trace === null) return '';
  const lines = trace.examples.map(
    ({ path, reason }) => `<li><bdi>${escapeHtml(shorten(path))}</bdi>: ${escapeHtml(reason)}</li>`,
  );
  const more = trace.unmapped - trace.examples.length;
  if (more > 0) lines.push(`<li class="faint">… and ${formatCount(more)} more</li>`);
  return `<h2>Coverage of the trace</h2><p>${escapeHtml(describeCoverage(trace))}</p>${lines.length > 0 ? `<ul>${lines.join('')}</ul>` : ''}`;
}

function variables(colors: (typeof MAP_COLORS)['light' | 'dark'], line: string, pull: string): string {
  return `${Object.entries(colors)
    .map(([name, color]) => `--${name}:${color};`)
    .join('')}--line:${line};--pull:${pull}`;
}

const LIGHT = variables(MAP_COLORS.light, '#dcdcdc', '#2f6fbb');
const DARK = variables(MAP_COLORS.dark, '#3a3a3a', '#5a9be0');
const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
body{margin:0;padding:24px;background:var(--back);color:var(--text);font:14px/1.45 system-ui,sans-serif}
main{max-width:1320px;margin:0 auto}
h1{font-size:1.5em;margin:0;overflow-wrap:anywhere}
h2{font-size:1.1em;margin:28px 0 8px}
p{margin:4px 0;overflow-wrap:anywhere}
.faint,small{color:var(--faint)}
.reason{margin-top:12px;font-size:1.05em}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin-top:16px}
.figures div{display:flex;flex-direction:column;padding:10px 14px;border:1px solid var(--line);border-radius:4px}
.figures strong{font-size:1.6em;line-height:1.3}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{padding:4px 10px;text-align:start;vertical-align:middle;border-bottom:1px solid var(--line)}
th{font-weight:600;white-space:nowrap}
.number{text-align:end;font-variant-numeric:tabular-nums;white-space:nowrap}
.instruction{min-width:200px;max-width:420px;overflow-wrap:anywhere;font-family:ui-monospace,monospace;font-size:.92em}
.instruction small{display:block;font-family:system-ui,sans-serif}
.best td{font-weight:600}
svg{display:block;max-width:100%}
td svg{min-width:240px}
.legend svg{display:inline-block;vertical-align:-1px;margin-inline-start:14px}
.touched{fill:var(--touched)}
.unused{fill:var(--unused)}
.untouched{fill:var(--untouched)}
.pull{fill:var(--pull)}
.whole{fill:none;stroke:var(--faint);stroke-dasharray:2 2}
.name{font-family:ui-monospace,monospace;font-size:.92em;overflow-wrap:anywhere}
h3{font-size:1em;margin:18px 0 4px}
.drawing{width:100%;height:auto;margin:8px 0}
.drawing text{fill:var(--text);font:11px ui-monospace,monospace}
.drawing text.faint{fill:var(--faint)}
.tick{stroke:var(--line)}
.ready{stroke:var(--pull);stroke-width:2}
.box{fill:var(--touched);fill-opacity:.14;stroke:var(--touched)}
.d1,.d2,.d3{fill-opacity:.1}
@media print{:root{${LIGHT}}body{padding:0;font-size:10px}tr,.figures,.drawing{break-inside:avoid}h2,h3{break-after:avoid}.scroll{overflow:visible}.touched,.unused,.untouched,.pull,.box{print-color-adjust:exact}}
`;
