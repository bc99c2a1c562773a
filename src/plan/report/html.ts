/** Small words of the report's pages. Whatever comes from outside goes through `escapeXml`. */
import { escapeXml } from '../picture/svg';

/** CSS pixels of the longest bar, and of drawings as wide as the page. */
export const WIDTH = 640;
export const WIDE = 1000;

/** A table; cells are HTML already, and numeric columns stand at the end. */
export function table(
  columns: readonly { readonly title: string; readonly numeric?: boolean }[],
  rows: readonly (readonly string[])[],
): string {
  const kind = (index: number): string => (columns[index]?.numeric === true ? ' class="number"' : '');
  const head = columns.map(({ title }, index) => `<th${kind(index)}>${escapeXml(title)}</th>`).join('');
  const body = rows.map(
    (cells) => `<tr>${cells.map((cell, index) => `<td${kind(index)}>${cell}</td>`).join('')}</tr>`,
  );
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

/** A path or an instruction, whichever way it runs. */
export function name(text: string): string {
  return `<bdi class="name">${escapeXml(shorten(text))}</bdi>`;
}

export function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 299)}…` : text;
}
