/**
 * Where the instructions of a Dockerfile stand, and nothing else: a hundred times faster than the whole parse of `dockerfile.ts`,
 * for what has to follow a person's typing. Rules: BuildKit, `frontend/dockerfile/parser`.
 */

/** One instruction; lines are 0-based and both inclusive. */
export interface InstructionLines {
  /** Upper case: `FROM`. */
  readonly keyword: string;
  readonly startLine: number;
  readonly endLine: number;
}

const COMMENT = /^\s*#/;
const BLANK = /^\s*$/;
/** Only these may carry here-documents. */
const WITH_HEREDOC = /^(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s/i;

export function instructionLines(text: string): InstructionLines[] {
  const lines = text.split(/\r\n|\r|\n/);
  const continues = escapeDirective(lines) === '`' ? /(?:^|[^`])`[ \t]*$/ : /(?:^|[^\\])\\[ \t]*$/;
  const found: InstructionLines[] = [];
  for (let at = 0; at < lines.length; at++) {
    const first = lines[at] ?? '';
    if (BLANK.test(first) || COMMENT.test(first)) continue;
    const startLine = at;
    let logical = first;
    let endLine = at;
    for (let open = continues.test(first); open && at + 1 < lines.length;) {
      const next = lines[++at] ?? '';
      // Comments and empty lines inside an instruction are skipped, and it goes on.
      if (COMMENT.test(next) || BLANK.test(next)) continue;
      logical = `${logical.replace(continues, (end) => end.replace(/[\\`][ \t]*$/, ''))}${next}`;
      endLine = at;
      open = continues.test(next);
    }
    for (const { name, stripsTabs } of heredocs(logical)) {
      while (at + 1 < lines.length) {
        const line = lines[++at] ?? '';
        if ((stripsTabs ? line.replace(/^\t+/, '') : line) === name) break;
      }
      endLine = at;
    }
    found.push({ keyword: /^\s*(\S*)/.exec(first)?.[1]?.toUpperCase() ?? '', startLine, endLine });
  }
  return found;
}

/** The value of `# escape=`, which only stands among the directives on top of the file. */
function escapeDirective(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const [, key, value] = /^\s*#\s*([a-z]+)\s*=\s*(.+?)\s*$/i.exec(line) ?? [];
    if (key === undefined) return undefined;
    if (key.toLowerCase() === 'escape') return value;
  }
  return undefined;
}

function heredocs(logical: string): { name: string; stripsTabs: boolean }[] {
  if (!logical.includes('<<') || !WITH_HEREDOC.test(logical.trimStart())) return [];
  // A here-document is a word of its own, outside of quotes; its name may be quoted.
  const words = logical.match(/(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.flatMap((word) => {
    const [, dash, quote = '', name] = /^\d*<<(-?)(["']?)([^<"'\s]+)\2$/.exec(word) ?? [];
    return name === undefined
      ? []
      : [{ name: quote === '' ? name.replaceAll('\\', '') : name, stripsTabs: dash === '-' }];
  });
}
