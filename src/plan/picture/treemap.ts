/** Rectangles whose areas are amounts: the squarified treemap of Bruls, Huizing and van Wijk (2000). */

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A rectangle of a treemap in a treemap. */
export interface Placed<T> extends Rect {
  readonly part: T;
  /** 0 for the outermost ones. */
  readonly depth: number;
}

/** CSS pixels at the top of a rectangle for its name, and around what lies in it. */
const HEAD = 18;
const GAP = 2;
const DEEPEST = 3;
/** Smaller rooms show nothing of what lies in them. */
const NARROWEST = { width: 30, height: 24 };

/** Parts within parts, by what `value` says of each; parts of no value have no place. */
export function placeTree<T>(
  parts: readonly T[],
  room: Rect,
  look: { readonly value: (part: T) => number; readonly children: (part: T) => readonly T[] },
  depth = 0,
): Placed<T>[] {
  const sorted = parts.filter((part) => look.value(part) > 0).sort((a, b) => look.value(b) - look.value(a));
  const rects = squarify(sorted.map(look.value), room);
  return sorted.flatMap((part, index) => {
    const rect = rects[index];
    if (rect === undefined || rect.width < 1 || rect.height < 1) return [];
    const inner = {
      x: rect.x + GAP,
      y: rect.y + HEAD,
      width: rect.width - 2 * GAP,
      height: rect.height - HEAD - GAP,
    };
    const deeper =
      depth < DEEPEST && inner.width > NARROWEST.width && inner.height > NARROWEST.height
        ? placeTree(look.children(part), inner, look, depth + 1)
        : [];
    return [{ ...rect, part, depth }, ...deeper];
  });
}

/** One rectangle for each value, which must be above 0 and fall; together they fill `room`. */
function squarify(values: readonly number[], room: Rect): Rect[] {
  const total = values.reduce((sum, value) => sum + value, 0);
  const scale = total === 0 ? 0 : (room.width * room.height) / total;
  const result: Rect[] = [];
  let rest = room;
  for (let from = 0; from < values.length;) {
    const side = Math.max(1e-6, Math.min(rest.width, rest.height));
    let to = from + 1;
    let sum = (values[from] ?? 0) * scale;
    // A row takes one more as long as its rectangles do not get longer and thinner by it.
    for (let worst = longest(values, from, to, sum, scale, side); to < values.length; to++) {
      const more = sum + (values[to] ?? 0) * scale;
      const next = longest(values, from, to + 1, more, scale, side);
      if (next > worst) break;
      worst = next;
      sum = more;
    }
    const depth = sum / side;
    const across = rest.width >= rest.height;
    let along = 0;
    for (let at = from; at < to; at++) {
      const length = sum === 0 ? 0 : (((values[at] ?? 0) * scale) / sum) * side;
      result.push(
        across
          ? { x: rest.x, y: rest.y + along, width: depth, height: length }
          : { x: rest.x + along, y: rest.y, width: length, height: depth },
      );
      along += length;
    }
    rest = across
      ? { x: rest.x + depth, y: rest.y, width: Math.max(0, rest.width - depth), height: rest.height }
      : { x: rest.x, y: rest.y + depth, width: rest.width, height: Math.max(0, rest.height - depth) };
    from = to;
  }
  return result;
}

/** The worst ratio of the sides in a row that lies along `side`. */
function longest(
  values: readonly number[],
  from: number,
  to: number,
  sum: number,
  scale: number,
  side: number,
): number {
  const large = (values[from] ?? 0) * scale;
  const small = (values[to - 1] ?? 0) * scale;
  return Math.max((side ** 2 * large) / sum ** 2, sum ** 2 / (side ** 2 * Math.max(1e-9, small)));
}
