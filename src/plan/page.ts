/** The page of the span map, for the editor's webview and for the browser that tests it. `webview/` fills it. */
import { escapeXml } from './picture/svg';

export interface PageParts {
  /** Of `dist/webview/spanMap.js` and `spanMap.css`. */
  readonly script: string;
  readonly style: string;
  /** Where style sheets may come from: `webview.cspSource`, or `'self'`. */
  readonly cspSource: string;
  /** A fresh random text for each page, in letters and digits. */
  readonly nonce: string;
  /** A BCP 47 tag, and texts of the page in that language by their English; none for English itself. */
  readonly language: string;
  readonly texts: Readonly<Record<string, string>>;
}

const EMPTY_STYLE = `'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='`;

export function pageHtml({ script, style, cspSource, nonce, language, texts }: PageParts): string {
  const t = (text: string): string => escapeXml(texts[text] ?? text);
  // The toolkit's own styles are constructed style sheets, which the policy does not concern. It also tries a rule out
  // in an empty style element: the hash of nothing lets just that in.
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${cspSource} ${EMPTY_STYLE}; font-src ${cspSource}`;
  return `<!DOCTYPE html>
<html lang="${escapeXml(language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${t('Span map')}</title>
<link rel="stylesheet" href="${style}">
</head>
<body>
<main id="page" aria-busy="true">
<header id="head"></header>
<div id="alert" role="alert"></div>
<div id="status" class="visually-hidden" role="status" aria-live="polite"></div>
<section id="figures" aria-label="${t('Figures')}"></section>
<section aria-label="${t('What if')}"><div id="what-if" class="controls"></div></section>
<section aria-labelledby="map-title">
<div class="section-head"><h2 id="map-title">${t('Layers and spans')}</h2><div id="search"></div><div id="map-controls" class="controls"></div></div>
<div id="map"></div>
<div id="legend" class="legend"></div>
<div id="detail"></div>
</section>
<section id="parts" aria-label="${t('Parts of the picture')}"></section>
<section id="notes" aria-label="${t('Notes')}"></section>
</main>
<script type="application/json" id="texts">${JSON.stringify(texts).replaceAll('<', '\\u003c')}</script>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>
`;
}
