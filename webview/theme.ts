/** The colours of the drawings, taken from the editor's theme at the moment; where the person forces colours, from theirs. */
export interface Theme {
  readonly text: string;
  readonly faint: string;
  /** Read by the start. */
  readonly touched: string;
  /** Fetched before the start asks. */
  readonly prefetched: string;
  readonly untouched: string;
  readonly focus: string;
  readonly background: string;
  /** A line around each bar, in the themes that want one. */
  readonly outline: string | undefined;
  readonly font: string;
  readonly monospace: string;
  /** From the first touch (0) to the last (1). */
  ramp(share: number): string;
}

type Channels = readonly [red: number, green: number, blue: number];

const RAMP_STEPS = 32;

export function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const token = (name: string): string => style.getPropertyValue(`--vscode-${name}`).trim();
  const size = style.fontSize;
  const font = `${size} ${style.fontFamily}`;
  const monospace = `${Math.round(parseFloat(size) * 0.9)}px ${token('editor-font-family') || 'monospace'}`;
  if (matchMedia('(forced-colors: active)').matches) {
    return {
      text: 'CanvasText',
      faint: 'CanvasText',
      touched: 'Highlight',
      prefetched: 'LinkText',
      untouched: 'CanvasText',
      focus: 'CanvasText',
      background: 'Canvas',
      outline: 'CanvasText',
      font,
      monospace,
      ramp: rampOf('Highlight', 'GrayText'),
    };
  }
  const contrast = token('contrastBorder');
  const text = token('foreground') || style.color;
  // VS Code's orange is translucent; its yellow is the colour of warnings, made to be seen on any background.
  const touched = token('charts-yellow') || token('progressBar-background') || text;
  const prefetched = token('charts-blue') || token('progressBar-background') || text;
  return {
    text,
    faint: token('descriptionForeground') || text,
    touched,
    prefetched,
    untouched: contrast || token('charts-foreground') || text,
    focus: token('focusBorder') || text,
    background: token('editor-background') || style.backgroundColor,
    outline: contrast || undefined,
    font,
    monospace,
    ramp: rampOf(touched, token('charts-purple') || prefetched),
  };
}

/** Colours between two others, made at the first question and only then: mixing one for each cell would cost a frame. */
function rampOf(from: string, to: string): (share: number) => string {
  let steps: readonly string[] | undefined;
  return (share) => {
    steps ??= between(channelsOf(from), channelsOf(to));
    return steps[Math.round(Math.min(1, Math.max(0, share)) * (RAMP_STEPS - 1))] ?? from;
  };
}

function between(from: Channels, to: Channels): readonly string[] {
  return Array.from({ length: RAMP_STEPS }, (_, step) => {
    const share = step / (RAMP_STEPS - 1);
    return `rgb(${from.map((value, at) => Math.round(value + ((to[at] ?? 0) - value) * share)).join(' ')})`;
  });
}

function channelsOf(color: string): Channels {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  if (context === null) return [128, 128, 128];
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}

/** Calls back when the editor's theme, the forced colours or the contrast changes. */
export function watchTheme(onChange: () => void): void {
  new MutationObserver(onChange).observe(document.body, {
    attributes: true,
    attributeFilter: ['class', 'style'],
  });
  new MutationObserver(onChange).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ['style'],
  });
  for (const query of [
    '(forced-colors: active)',
    '(prefers-contrast: more)',
    '(prefers-color-scheme: dark)',
  ]) {
    matchMedia(query).addEventListener('change', onChange);
  }
}
