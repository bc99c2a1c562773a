/** The colours of the map, taken from the editor's theme at the moment; where the person forces colours, from theirs. */
export interface Theme {
  readonly text: string;
  readonly faint: string;
  readonly touched: string;
  readonly untouched: string;
  readonly focus: string;
  readonly background: string;
  /** A line around each bar, in the themes that want one. */
  readonly outline: string | undefined;
  readonly font: string;
}

export function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const token = (name: string): string => style.getPropertyValue(`--vscode-${name}`).trim();
  const size = style.fontSize;
  const font = `${size} ${style.fontFamily}`;
  if (matchMedia('(forced-colors: active)').matches) {
    return {
      text: 'CanvasText',
      faint: 'GrayText',
      touched: 'Highlight',
      untouched: 'GrayText',
      focus: 'CanvasText',
      background: 'Canvas',
      outline: 'CanvasText',
      font,
    };
  }
  const contrast = token('contrastBorder');
  const text = token('foreground') || style.color;
  return {
    text,
    faint: token('descriptionForeground') || text,
    // VS Code's orange is translucent; its yellow is the colour of warnings, made to be seen on any background.
    touched: token('charts-yellow') || token('progressBar-background') || text,
    untouched: contrast || token('charts-foreground') || text,
    focus: token('focusBorder') || text,
    background: token('editor-background') || style.backgroundColor,
    outline: contrast || undefined,
    font,
  };
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
