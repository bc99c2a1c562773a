import { DockerfileParser, From, type Instruction } from 'dockerfile-ast';
import type { HistoryEntry } from '../oci/types';

/** One instruction of a Dockerfile. */
export interface DockerfileInstruction {
  /** Upper case: `RUN`. */
  readonly keyword: string;
  /** The whole instruction as one line: continuations joined, comments left out. */
  readonly text: string;
  /** What follows the keyword, flags included, in the same way; here-documents keep their lines. */
  readonly args: string;
  /** 0-based, both inclusive. */
  readonly startLine: number;
  readonly endLine: number;
  /** The stage it belongs to; -1 for an `ARG` before the first `FROM`. */
  readonly stage: number;
}

export interface DockerfileStage {
  readonly index: number;
  /** `AS` name, as written. */
  readonly name: string | undefined;
  readonly from: DockerfileInstruction;
  /** What `FROM` names, its variables filled in; undefined where one of them has no value. */
  readonly base: string | undefined;
  /** The earlier stage that `base` is, if it is one. */
  readonly parent: DockerfileStage | undefined;
  /** Without `from`. */
  readonly instructions: readonly DockerfileInstruction[];
}

export interface DockerfileModel {
  readonly stages: readonly DockerfileStage[];
  readonly instructions: readonly DockerfileInstruction[];
}

/**
 * Reads a Dockerfile: stages, here-documents, variables in `FROM`, parser directives, any line ends. Faulty files give what
 * can be read of them.
 *
 * @param buildArgs values that win over the defaults of the `ARG`s before the first `FROM`
 */
export function parseDockerfile(
  text: string,
  buildArgs: Readonly<Record<string, string>> = {},
): DockerfileModel {
  // Line ends say nothing in a Dockerfile, and the parser's positions are by line.
  const document = DockerfileParser.parse(text.replace(/\r\n?/g, '\n'));
  const escape = document.getEscapeCharacter();
  const stages: (DockerfileStage & { instructions: DockerfileInstruction[] })[] = [];
  const all: DockerfileInstruction[] = [];
  const variables = new Map<string, string>();
  for (const parsed of document.getInstructions()) {
    const isFrom = parsed instanceof From;
    const instruction = readInstruction(parsed, escape, isFrom ? stages.length : stages.length - 1);
    all.push(instruction);
    if (isFrom) {
      const base = expand(parsed.getImage() ?? '', variables);
      const parent = stages.findLast(
        ({ name, index }) =>
          base !== undefined && (name?.toLowerCase() === base.toLowerCase() || String(index) === base),
      );
      const name = parsed.getBuildStage() ?? undefined;
      stages.push({ index: stages.length, name, from: instruction, base, parent, instructions: [] });
    } else if (stages.length > 0) {
      stages.at(-1)?.instructions.push(instruction);
    } else if (instruction.keyword === 'ARG') {
      for (const word of words(instruction.args)) {
        const [, key = '', value] = /^(\w+)(?:=(.*))?$/s.exec(word) ?? [];
        const given = buildArgs[key] ?? (value === undefined ? undefined : expand(unquote(value), variables));
        if (given !== undefined) variables.set(key, given);
      }
    }
  }
  return { stages, instructions: all };
}

/**
 * For each layer (each entry of the history that is not empty, oldest first) the instruction that made it; the stage's `FROM`
 * for layers that came with the base image; `undefined` where it cannot be known, for instance because the Dockerfile was
 * changed after the build or the image was squashed. Reads what the classic builder, BuildKit and Buildah write.
 *
 * @param target name of the stage that was built; the last one where not given
 */
export function matchLayers(
  model: DockerfileModel,
  history: readonly HistoryEntry[],
  target?: string,
): (DockerfileInstruction | undefined)[] {
  const final =
    target === undefined ? model.stages.at(-1) : model.stages.find((stage) => stage.name === target);
  const made = new Array<DockerfileInstruction | undefined>(history.length).fill(undefined);
  if (final) {
    const chain: DockerfileStage[] = [];
    for (let stage: DockerfileStage | undefined = final; stage; stage = stage.parent) chain.unshift(stage);
    const steps = chain.flatMap((stage) => stage.instructions);
    for (const [entry, step] of align(steps, history)) made[entry] = steps[step];

    // With every step that can make a layer in its place, what lies before the first one is the base image.
    const placed = new Set(made);
    const from = chain[0]?.from;
    if (
      history.length > 0 &&
      steps.every((step) => placed.has(step) || !/^(RUN|COPY|ADD)$/.test(step.keyword))
    ) {
      const first = made.findIndex((instruction) => instruction !== undefined);
      if (first >= 0) made.fill(from, 0, first);
    }
  }
  return made.filter((_, index) => history[index]?.empty_layer !== true);
}

/** True when the Dockerfile uses what the classic builder does not know: here-documents, mounts, links. */
export function needsBuildKit(model: DockerfileModel): boolean {
  return model.instructions.some(({ keyword, args }) => {
    const flags = /^(?:--[a-z][a-z-]*(?:=\S*)?\s+)*/.exec(args)?.[0] ?? '';
    if (keyword === 'RUN') return flags !== '' || /^<<|\n/.test(args);
    return (
      /^(COPY|ADD)$/.test(keyword) && (/--(?!from=|chown=)/.test(flags) || /(?:^|\s)<<-?["']?\w/.test(args))
    );
  });
}

function readInstruction(parsed: Instruction, escape: string, stage: number): DockerfileInstruction {
  const range = parsed.getRange();
  const [first = '', ...more] = parsed.getTextContent().split('\n');
  const lines = [first];
  let continues = endsWith(first, escape);
  for (const line of more) {
    if (!continues) lines.push(line);
    // Comments and empty lines in the middle of an instruction are skipped, and it goes on.
    else if (/^\s*(#|$)/.test(line)) continue;
    else lines.push((lines.pop() ?? '').trimEnd().slice(0, -1) + line);
    continues = endsWith(lines.at(-1) ?? '', escape) && lines.length === 1;
  }
  const joined = lines.join('\n');
  return {
    keyword: parsed.getKeyword(),
    text: squeeze(joined),
    args: joined.slice(parsed.getInstruction().length).trim(),
    startLine: range.start.line,
    endLine: range.end.line,
    stage,
  };
}

function endsWith(line: string, escape: string): boolean {
  return line.trimEnd().endsWith(escape);
}

/**
 * Pairs of (history entry, step). An image's history ends with the steps of its stages: when all of them fit there, one by one
 * from the end, every pair is certain. Else only those pairs count that every longest alignment has in common.
 */
function align(
  steps: readonly DockerfileInstruction[],
  history: readonly HistoryEntry[],
): [entry: number, step: number][] {
  const records = history.map(readRecord);
  const fits = (entry: number, step: number): boolean => {
    const [record, instruction] = [records[entry], steps[step]];
    return record !== undefined && instruction !== undefined && isMadeBy(record, instruction);
  };
  const before = history.length - steps.length;
  if (before >= 0 && steps.every((_, step) => fits(before + step, step))) {
    return steps.map((_, step) => [before + step, step]);
  }

  // length[i][j]: the longest common subsequence of the entries from i and the steps from j.
  const length = Array.from({ length: history.length + 1 }, () =>
    new Array<number>(steps.length + 1).fill(0),
  );
  const at = (i: number, j: number): number => length[i]?.[j] ?? 0;
  for (let i = history.length - 1; i >= 0; i--) {
    const row = length[i] ?? [];
    for (let j = steps.length - 1; j >= 0; j--) {
      row[j] = fits(i, j) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  // The longest alignment that pairs as early as it can, and the one that skips whatever it can before it pairs.
  const walk = (late: boolean): Set<string> => {
    const taken = new Set<string>();
    for (let i = 0, j = 0; i < history.length && j < steps.length;) {
      const here = at(i, j);
      const canPair = fits(i, j) && at(i + 1, j + 1) + 1 === here;
      if (canPair && !(late && (at(i + 1, j) === here || at(i, j + 1) === here))) taken.add(`${i++} ${j++}`);
      else if (at(i + 1, j) === here) i++;
      else j++;
    }
    return taken;
  };
  const late = walk(true);
  return [...walk(false)]
    .filter((pair) => late.has(pair))
    .map((pair) => {
      const [entry = 0, step = 0] = pair.split(' ').map(Number);
      return [entry, step];
    });
}

/** What a builder noted about one step. */
interface StepRecord {
  readonly keyword: string;
  readonly payload: string;
}

function readRecord({ created_by: createdBy = '' }: HistoryEntry): StepRecord | undefined {
  // The classic builder and Buildah: `/bin/sh -c #(nop) WORKDIR /app`, and a RUN as its bare command.
  const [, keyword, payload] = /#\(nop\)\s+([A-Z]+)\s*(.*)$/s.exec(createdBy) ?? [];
  if (keyword !== undefined && payload !== undefined) return { keyword, payload: squeeze(payload) };
  const text = createdBy.replace(/\s*# buildkit$/, '');
  const [, own, rest] =
    /^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)\s(.*)$/s.exec(
      text,
    ) ?? [];
  if (own !== undefined && rest !== undefined) return { keyword: own, payload: squeeze(rest) };
  return text === '' ? undefined : { keyword: 'RUN', payload: squeeze(text) };
}

function isMadeBy({ keyword, payload }: StepRecord, instruction: DockerfileInstruction): boolean {
  if (keyword !== instruction.keyword) return false;
  const args = withoutFlags(instruction.args);
  switch (keyword) {
    case 'RUN':
      // Before the command stand the shell and the build arguments (`|1 A=b /bin/sh -c …`).
      return runCommands(args).some((command) => payload === command || payload.endsWith(` ${command}`));
    case 'COPY':
    case 'ADD': {
      const list = jsonWords(args) ?? words(args.split('\n', 1)[0] ?? '');
      const target = list.at(-1) ?? '';
      // The classic builder notes a hash in the place of the sources, often without a space behind `--chown`.
      const [, classic] = /^(?:--.*?)?(?:file|dir|multi):[0-9a-f]+ in (.*)$/.exec(payload) ?? [];
      if (classic !== undefined) return pattern(target).test(classic);
      const sources = list.slice(0, -1).map((source) => source.replace(/^<<-?(["']?)(\w+)\1$/, '$2'));
      return pattern([...sources, target].join(' ')).test(
        withoutFlags(payload).replaceAll(/(^| )<<-?/g, '$1'),
      );
    }
    case 'WORKDIR': {
      const folder = unquote(args);
      return (
        pattern(folder).test(payload) || (!/^[/\\$]|^\w:/.test(folder) && payload.endsWith(`/${folder}`))
      );
    }
    default:
      // These make no layer: the kind is enough to keep the others in step.
      return true;
  }
}

/** How a RUN's command can stand in the history: as written, a JSON list as words, a lone here-document as its text. */
function runCommands(args: string): string[] {
  const list = jsonWords(args);
  const [, , name, body] = /^<<-?(["']?)(\w+)\1[ \t]*\n(.*)$/s.exec(args) ?? [];
  const script = name === undefined ? undefined : body?.replace(new RegExp(`\\n?\\s*${name}$`), '');
  return [list?.join(' '), script, args]
    .flatMap((command) => (command === undefined ? [] : squeeze(command)))
    .filter(Boolean);
}

function withoutFlags(args: string): string {
  return args.replace(/^(?:--[a-z][a-z-]*(?:=\S*)?\s+)+/, '');
}

function jsonWords(args: string): string[] | undefined {
  if (!args.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(args);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    // Docker too takes it for a shell command then.
    return undefined;
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

/** The text with its variables as wildcards: the builder noted their values. */
function pattern(text: string): RegExp {
  const parts = squeeze(text).split(VARIABLE_SPLIT);
  return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's');
}

const VARIABLE_SPLIT = /\$(?:\w+|\{[^}]*\})/;
/** Dockerfile reference, "Environment replacement": `$name`, `${name}`, `${name:-default}`, `${name:+instead}`. */
const VARIABLE = /\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})/g;

function expand(text: string, variables: ReadonlyMap<string, string>): string | undefined {
  const missing: string[] = [];
  const expanded = text.replace(
    VARIABLE,
    (all, plain?: string, braced?: string, operator?: string, word = '') => {
      const value = variables.get(plain ?? braced ?? '') ?? '';
      if (operator === '+') return value === '' ? '' : String(word);
      if (operator === '-') return value === '' ? String(word) : value;
      if (!variables.has(plain ?? braced ?? '')) missing.push(all);
      return value;
    },
  );
  return missing.length === 0 ? expanded : undefined;
}

function unquote(text: string): string {
  return text.replace(/^(["'])(.*)\1$/s, '$2');
}

function squeeze(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
