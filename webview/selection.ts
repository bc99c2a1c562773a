/** What the map is turned to: a layer, the part of it that is in view, a span; and what the host says of these. */
import type { Axis, Cells, EntryRef, Overview, PlacedFiles, SpanDetail } from '../src/plan/picture/types';
import type { PlanLayer } from '../src/plan/types';
import { lengthOf } from './paint';
import type { View } from './paint';
import { fly, loadView, SpanDetails } from './picture';
import type { Ask } from './picture';
import type { Saved } from './state';
import { formatCount, say, t } from './text';

export interface SelectionEvents {
  /** Something to draw has changed. */
  changed(): void;
  /** Something to keep has changed. */
  moved(): void;
  /** Another layer is selected. */
  entered(layer: number): void;
  /** The details of the selected span are there; undefined when none is selected any more. */
  detail(span: SpanDetail | undefined): void;
  announce(text: string): void;
  fail(error: unknown): void;
  /** CSS pixels of the strip. */
  width(): number;
}

/** Dragging may ask many times a second; the host hears the last of each such moment. */
const ASK_DELAY = 60;
/** How much wider than a file the view on it is, and the narrowest one. */
const AROUND = 12;
const NARROWEST = 4096;

export class Selection {
  readonly #ask: Ask;
  readonly #events: SelectionEvents;
  #overview: Overview | undefined;
  #details: SpanDetails;
  /** The layer is the page's choice from a picture that still grows: the whole may show a better one. */
  #awaits = false;
  #timer = 0;
  #stopFlight = (): void => undefined;
  axis: Axis;
  layer: number;
  view: View;
  span: number | null;
  strip: Cells | undefined;
  files: PlacedFiles | undefined;

  constructor(ask: Ask, saved: Pick<Saved, 'axis' | 'layer' | 'view' | 'span'>, events: SelectionEvents) {
    this.#ask = ask;
    this.#events = events;
    ({ axis: this.axis, layer: this.layer, view: this.view, span: this.span } = saved);
    this.#details = this.#newDetails();
  }

  /** The layer to come back to; none while it is not the person's choice nor that of the whole picture. */
  get keptLayer(): number {
    return this.#awaits ? -1 : this.layer;
  }

  get current(): PlanLayer | undefined {
    return this.#overview?.plan.layers[this.layer];
  }

  /** Goes over to a new plan; `fresh` says that it is of another picture. */
  use(overview: Overview, fresh: boolean): void {
    const changed = fresh || this.#overview?.spanSize !== overview.spanSize;
    this.#overview = overview;
    const growing = overview.pending > 0;
    if (this.current === undefined || this.#awaits) {
      this.layer = mostTouched(overview);
      this.view = { start: 0, end: this.#length() };
      this.#awaits = growing;
    }
    if (changed) this.#details = this.#newDetails();
    const length = this.#length();
    // What is kept of a layer may only fit once that is read.
    if ((this.view.end > length && !growing) || this.view.end <= 1) this.view = { start: 0, end: length };
  }

  setAxis(axis: Axis): void {
    this.axis = axis;
    this.view = { start: 0, end: this.#length() };
  }

  /** The files and spans of one layer, from its beginning. */
  select(layer: number): void {
    const one = this.#overview?.plan.layers[layer];
    if (one === undefined) return;
    this.#stopFlight();
    this.#enter(layer);
    const touched =
      one.touchedFiles === 0
        ? t('nothing read by the start')
        : t('{0} files read by the start', formatCount(one.touchedFiles));
    this.#events.announce(
      `${t('Layer {0}', one.index)}, ${one.instruction ?? one.digest}, ${touched}${one.notIndexed === null ? '' : `. ${say(one.notIndexed)}`}`,
    );
    this.#guard(this.load());
  }

  selectSpan(span: number | null): void {
    this.span = span;
    this.#events.moved();
    this.#events.changed();
    this.#guard(this.showSpan());
  }

  look(view: View): void {
    this.#stopFlight();
    this.#look(view);
  }

  /** Goes to a file on the map: its layer, its place, its span. */
  async flyTo({ layer, entry }: EntryRef): Promise<void> {
    const one = this.#overview?.plan.layers[layer];
    if (this.#overview === undefined || one === undefined) return;
    this.#stopFlight();
    if (layer !== this.layer) this.#enter(layer);
    const { spanSize } = this.#overview;
    const place = await this.#ask('place', { layer, entry, spanSize, axis: this.axis });
    if (layer !== this.layer || place.span === null) return;
    this.span = place.span;
    const all = this.#length();
    const length = Math.min(all, Math.max((place.end - place.start) * AROUND, NARROWEST));
    const from = Math.min(Math.max(0, (place.start + place.end - length) / 2), all - length);
    const target = { start: Math.round(from), end: Math.round(from + length) };
    this.#stopFlight = fly(this.view, target, (view) => {
      this.#look(view);
    });
    this.#events.announce(t('Span {0} of layer {1}', formatCount(place.span), layer));
    await this.showSpan();
  }

  /** Asks for what is in view. */
  async load(): Promise<void> {
    const wanted = { overview: this.#overview, layer: this.layer, view: this.view, axis: this.axis };
    const { overview, layer, view, axis } = wanted;
    if (overview === undefined || this.current?.indexed !== true) {
      this.strip = this.files = undefined;
      this.#events.changed();
      return;
    }
    const answer = await loadView(this.#ask, layer, overview, axis, view, this.#events.width());
    // The person has gone on meanwhile.
    if (overview !== this.#overview || layer !== this.layer || view !== this.view || axis !== this.axis)
      return;
    ({ strip: this.strip, files: this.files } = answer);
    this.#events.changed();
  }

  /** Asks for the details of the selected span; lets go of it where this span size has no such span. */
  async showSpan(): Promise<void> {
    const { span, layer } = this;
    const overview = this.#overview;
    if (overview === undefined) return;
    const spans = this.strip?.spans ?? Infinity;
    if (span === null || this.current?.indexed !== true || span >= spans) {
      this.span = null;
      this.#events.detail(undefined);
      this.#events.changed();
      return;
    }
    const answer = await this.#ask('span', { layer, spanSize: overview.spanSize, span });
    if (this.span !== span || this.layer !== layer) return;
    // The menu by keyboard offers the files of this span at once.
    this.#details.put(answer);
    this.#events.detail(answer);
  }

  /** What is known of a span by now; asks for it otherwise and says `changed` when it has come. */
  known(span: number): SpanDetail | undefined {
    return this.#details.get(span);
  }

  #look(view: View): void {
    this.#awaits = false;
    this.view = view;
    this.#events.changed();
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      this.#events.moved();
      this.#guard(this.load());
    }, ASK_DELAY);
  }

  #enter(layer: number): void {
    this.#awaits = false;
    this.layer = layer;
    this.span = null;
    this.strip = this.files = undefined;
    this.#details = this.#newDetails();
    this.view = { start: 0, end: this.#length() };
    this.#events.moved();
    this.#events.detail(undefined);
    this.#events.entered(layer);
  }

  #length(): number {
    return this.current === undefined ? 1 : Math.max(1, lengthOf(this.current, this.axis));
  }

  #newDetails(): SpanDetails {
    const about = { layer: this.layer, spanSize: this.#overview?.spanSize ?? 1 };
    return new SpanDetails(
      (span) => this.#ask('span', { ...about, span }),
      () => {
        this.#events.changed();
      },
    );
  }

  #guard(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#events.fail(error);
    });
  }
}

/** The layer that the start reads most from; the first one without a trace. */
function mostTouched({ plan }: Overview): number {
  let best = 0;
  plan.layers.forEach((layer, index) => {
    const old = plan.layers[best];
    if (old === undefined || (layer.indexed && (!old.indexed || layer.touchedBytes > old.touchedBytes)))
      best = index;
  });
  return best;
}
