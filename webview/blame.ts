/** Who costs the start what: a treemap by folder, instruction or package, and the same as a table. */
import type { Blame, Costs, FolderCosts, Package } from '../src/plan/blame/types';
import { placeTree } from '../src/plan/picture/treemap';
import type { Placed as PlacedPart, Rect } from '../src/plan/picture/treemap';
import { dropdown, progressRing } from './controls';
import { h } from './dom';
import { grid } from './grid';
import { fit, perFrame, surface, whenRestored } from './surface';
import { formatBytes, formatCount, formatShare, say, t } from './text';
import { readTheme } from './theme';
import type { Theme } from './theme';
import { createWaste } from './waste';

export interface BlameEvents {
  /** A folder in more detail. */
  folder(path: string): Promise<FolderCosts | null>;
  pickLayer(layer: number): void;
  findDuplicates(): void;
  fail(error: unknown): void;
}

export interface BlameView {
  show(blame: Blame): void;
  redraw(): void;
}

type Measure = 'touchedBytes' | 'fetchedBytes' | 'unusedBytes' | 'hiddenBytes';
type Division = 'instruction' | 'folder' | 'package';

const MEASURES: Readonly<Record<Measure, string>> = {
  touchedBytes: t('Bytes the start reads'),
  fetchedBytes: t('Bytes that travel for it'),
  unusedBytes: t('Bytes that travel for nothing'),
  hiddenBytes: t('Bytes later layers hide'),
};
const HEIGHT = 260;
const ROWS = 100;

/** A rectangle before it has a place. */
interface Part {
  readonly key: string;
  readonly name: string;
  readonly costs: Costs;
  readonly parts: readonly Part[];
}
type Placed = PlacedPart<Part>;

export function createBlame(host: HTMLElement, events: BlameEvents): BlameView {
  const canvas = h('canvas', {}) as HTMLCanvasElement;
  const tip = h('div', { class: 'tip', hidden: '' });
  const box = h('div', { class: 'treemap', 'aria-hidden': 'true' }, canvas, tip);
  const way = h('div', { class: 'controls way' });
  const total = h('p', { class: 'more', role: 'status' });
  const notes = h('ul', { class: 'more' });
  let blame: Blame | undefined;
  let measure: Measure = 'touchedBytes';
  let division: Division = 'instruction';
  /** Names of the folders that lead to the one in view. */
  let path: string[] = [];
  let folder: FolderCosts | undefined;
  let placed: Placed[] = [];

  const divisions = dropdown(t('Divide by'), (value) => {
    division = value === 'folder' || value === 'package' ? value : 'instruction';
    void enter([]);
  });
  const measures = dropdown(t('Count'), (value) => {
    measure = value in MEASURES ? (value as Measure) : 'touchedBytes';
    update();
  });
  const table = grid(
    t('Who costs what'),
    [
      { title: t('Part'), width: 'minmax(18em, 4fr)' },
      { title: t('Read'), width: '7em', numeric: true },
      { title: t('Travels'), width: '7em', numeric: true },
      { title: t('For nothing'), width: '7em', numeric: true },
      { title: t('Hidden'), width: '7em', numeric: true },
      { title: t('Files'), width: '6em', numeric: true },
    ],
    (key) => {
      open(key);
    },
  );
  table.element.classList.add('tall');
  const waste = createWaste(() => {
    events.findDuplicates();
  });
  const content = [
    h('div', { class: 'controls' }, divisions.element, measures.element, way),
    total,
    box,
    table.element,
    waste.element,
    notes,
  ];
  // The first answer about a huge image takes a moment, in which controls without a choice would look broken.
  const waiting = progressRing();
  host.append(waiting);
  measures.show(
    Object.entries(MEASURES).map(([value, label]) => ({ value, label })),
    measure,
  );

  const redraw = perFrame(() => {
    const width = box.clientWidth;
    if (blame === undefined || width === 0) return;
    placed = placeTree(
      parts(),
      { x: 0, y: 0, width, height: HEIGHT },
      { value: ({ costs }) => costs[measure], children: (one) => one.parts },
    );
    paint(surface(canvas, width, HEIGHT), placed, measure, readTheme());
  });
  new ResizeObserver(redraw).observe(box);
  whenRestored(canvas, redraw);

  function parts(): readonly Part[] {
    if (blame === undefined) return [];
    if (division === 'package') {
      return (blame.packages ?? []).map((one) => part(nameOf(one.package), nameOf(one.package), one));
    }
    if (division === 'instruction') {
      return blame.instructions.map((one) =>
        part(String(one.layer), t('Layer {0}: {1}', one.layer, one.instruction ?? t('unknown step')), one),
      );
    }
    return (folder ?? blame.folders).children.map((child) => folderPart(child));
  }

  async function enter(to: string[]): Promise<void> {
    path = to;
    try {
      folder =
        division === 'folder' && to.length > 0
          ? ((await events.folder(to.join('/'))) ?? undefined)
          : undefined;
    } catch (error) {
      events.fail(error);
    }
    update();
  }

  function open(key: string): void {
    if (division === 'instruction') events.pickLayer(Number(key));
    const child =
      division === 'folder'
        ? (folder ?? blame?.folders)?.children.find(({ name }) => name === key)
        : undefined;
    if (child?.kind === 'folder') void enter([...path, child.name]);
  }

  function update(): void {
    if (blame === undefined) return;
    const shown = parts().filter(({ costs }) => costs[measure] > 0 || costs.fetchedBytes > 0);
    const all = shown.reduce((sum, { costs }) => sum + costs[measure], 0);
    const sorted = [...shown].sort((a, b) => b.costs[measure] - a.costs[measure]);
    table.show(
      sorted.slice(0, ROWS).map(({ key, name, costs }) => ({
        key,
        cells: [
          h('bdi', { class: 'path' }, name),
          formatBytes(costs.touchedBytes),
          formatBytes(costs.fetchedBytes),
          formatBytes(costs.unusedBytes),
          formatBytes(costs.hiddenBytes),
          formatCount(costs.files),
        ],
      })),
    );
    const [first] = sorted;
    total.textContent =
      first === undefined || all === 0
        ? t('{0}: nothing here.', MEASURES[measure])
        : t(
            '{0}: {1}, {2} of it in {3}',
            MEASURES[measure],
            formatBytes(all),
            formatShare(first.costs[measure] / all),
            first.name,
          );
    const steps = [t('All'), ...path];
    way.replaceChildren(
      ...(path.length === 0
        ? []
        : steps.map((name, depth) => {
            const step = h('button', { class: 'plain', type: 'button' }, name);
            step.addEventListener('click', () => void enter(path.slice(0, depth)));
            return step;
          })),
    );
    redraw();
  }

  const placeAt = (event: MouseEvent): Placed | undefined =>
    placed.findLast(
      ({ x, y, width, height }) =>
        event.offsetX >= x && event.offsetX < x + width && event.offsetY >= y && event.offsetY < y + height,
    );
  canvas.addEventListener('mousemove', (event) => {
    const found = placeAt(event);
    tip.hidden = found === undefined;
    if (found === undefined) return;
    const { name, costs } = found.part;
    tip.textContent = `\u2068${name}\u2069\n${t('{0} read, {1} travel, {2} of it for nothing', formatBytes(costs.touchedBytes), formatBytes(costs.fetchedBytes), formatBytes(costs.unusedBytes))}`;
    tip.style.left = `${Math.max(0, Math.min(event.offsetX + 12, box.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${event.offsetY + 14}px`;
  });
  canvas.addEventListener('mouseleave', () => {
    tip.hidden = true;
  });
  canvas.addEventListener('click', (event) => {
    const found = placed.find((one) => one.depth === 0 && contains(one, event.offsetX, event.offsetY));
    if (found !== undefined) open(found.part.key);
  });

  return {
    show(next) {
      blame = next;
      if (waiting.isConnected) waiting.replaceWith(...content);
      divisions.show(
        [
          { value: 'instruction', label: t('Instruction') },
          { value: 'folder', label: t('Folder') },
          ...(next.packages === null ? [] : [{ value: 'package', label: t('Package') }]),
        ],
        division,
      );
      waste.show(next);
      notes.replaceChildren(...next.notes.map((note) => h('li', {}, say(note))));
      void enter(path);
    },
    redraw,
  };
}

function contains({ x, y, width, height }: Rect, left: number, top: number): boolean {
  return left >= x && left < x + width && top >= y && top < y + height;
}

function part(key: string, name: string, costs: Costs, parts: readonly Part[] = []): Part {
  return { key, name, costs, parts };
}

function folderPart(folder: FolderCosts): Part {
  const name =
    folder.kind === 'rest' ? t('smaller ones') : folder.kind === 'folder' ? `${folder.name}/` : folder.name;
  return part(folder.name, name, folder, folder.children.map(folderPart));
}

function nameOf(one: Package | null): string {
  return one === null ? t('Of no package') : `${one.name} ${one.version} (${one.manager})`;
}

function paint(
  context: CanvasRenderingContext2D,
  placed: readonly Placed[],
  measure: Measure,
  theme: Theme,
): void {
  context.font = theme.monospace;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  const color = measure === 'touchedBytes' || measure === 'fetchedBytes' ? theme.touched : theme.prefetched;
  for (const { x, y, width, height, part: one, depth } of placed) {
    context.fillStyle = theme.background;
    context.fillRect(x, y, width, height);
    context.globalAlpha = 0.16 + 0.12 * depth;
    context.fillStyle = color;
    context.fillRect(x, y, Math.max(1, width - 1), Math.max(1, height - 1));
    context.globalAlpha = 1;
    context.strokeStyle = theme.outline ?? color;
    context.lineWidth = 1;
    context.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 2), Math.max(0, height - 2));
    if (width < 36 || height < 14) continue;
    context.fillStyle = theme.text;
    const label = `${one.name} · ${formatBytes(one.costs[measure])}`;
    context.fillText(`\u2068${fit(context, label, width - 10)}\u2069`, x + 5, y + 9);
  }
}
