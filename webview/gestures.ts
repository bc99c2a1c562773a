/** What fingers, mouse and wheel do to a stretch of the layer: zoom, pan, box; places are shares of the width, 0–1. */

export interface Gestures {
  /** Zooms by a factor below or above 1 around a place. */
  zoom(factor: number, around: number): void;
  /** Moves the view by a share of its width. */
  pan(by: number): void;
  /** A box is being drawn, in CSS pixels; undefined when it is done or given up. */
  box(box: { from: number; to: number } | undefined): void;
  /** A box was drawn: zoom to it. */
  zoomTo(from: number, to: number): void;
  /** The pointer is down where dragging means something else; true when it was taken. */
  grab(x: number, y: number): boolean;
  drag(x: number): void;
  click(event: PointerEvent): void;
}

/** CSS pixels that a press may move and still be a click. */
const STILL = 4;
/** Wheel units for a zoom by e, and pixels of a line for wheels that count in lines. */
const WHEEL = 300;
const LINE = 20;

export function attachGestures(target: HTMLElement, gestures: Gestures): void {
  const pointers = new Map<number, number>();
  let pressed: { x: number; mode: 'pan' | 'box' | 'grab' } | undefined;
  let last = 0;
  let moved = false;

  const place = (x: number): number => x / Math.max(1, target.clientWidth);
  const spread = (): { width: number; middle: number } => {
    const [a = 0, b = 0] = [...pointers.values()];
    return { width: Math.max(1, Math.abs(a - b)), middle: (a + b) / 2 };
  };

  target.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    target.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event.offsetX);
    moved = pointers.size > 1;
    last = event.offsetX;
    const mode = gestures.grab(event.offsetX, event.offsetY) ? 'grab' : event.shiftKey ? 'box' : 'pan';
    pressed = { x: event.offsetX, mode };
  });
  target.addEventListener('pointermove', (event) => {
    if (pressed === undefined || !pointers.has(event.pointerId)) return;
    const before = spread();
    pointers.set(event.pointerId, event.offsetX);
    if (pointers.size === 2) {
      gestures.zoom(before.width / spread().width, place(spread().middle));
      return;
    }
    if (!moved && Math.abs(event.offsetX - pressed.x) < STILL) return;
    moved = true;
    if (pressed.mode === 'grab') gestures.drag(event.offsetX);
    else if (pressed.mode === 'box') gestures.box({ from: pressed.x, to: event.offsetX });
    else gestures.pan(place(last - event.offsetX));
    last = event.offsetX;
  });
  const release = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId) || pressed === undefined) return;
    if (pressed.mode === 'box') gestures.box(undefined);
    if (event.type === 'pointerup') {
      if (!moved && pressed.mode !== 'grab') gestures.click(event);
      else if (pressed.mode === 'box') {
        const [from, to] = [pressed.x, event.offsetX].sort((a, b) => a - b);
        gestures.zoomTo(place(from ?? 0), place(to ?? 0));
      }
    }
    if (pointers.size === 0) pressed = undefined;
  };
  target.addEventListener('pointerup', release);
  target.addEventListener('pointercancel', release);

  target.addEventListener(
    'wheel',
    (event) => {
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
      // Pinching on a trackpad arrives as a wheel with Ctrl.
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        gestures.zoom(Math.exp((event.deltaY * unit) / WHEEL), place(event.offsetX));
        return;
      }
      const across = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
      if (Math.abs(across) <= Math.abs(event.shiftKey ? 0 : event.deltaY)) return;
      event.preventDefault();
      gestures.pan(place(across * unit));
    },
    { passive: false },
  );
}
