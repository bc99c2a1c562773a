/**
 * What a recording makes in the engine carries a label, so that what a killed editor or a lost engine left behind is found
 * the next time. The label says who made it and until when it can be in use: recordings that are running are nobody's
 * leftovers.
 */
import type Docker from 'dockerode';
import { hostname } from 'node:os';
import { isAlive } from '../alive';
import type { Engine } from '../image/engine';
import { call } from './engine-calls';

const LABEL = 'soci-lens.trace';

/** Where everything of ours is in a container. */
export const FOLDER = '/.trc';
export const TRACER = `${FOLDER}/tracer`;
export const OUTPUT = `${FOLDER}/out/trace.jsonl`;

/** @param until milliseconds since 1970 at which the recording is over, whatever happens */
export function ownLabels(until: number): Record<string, string> {
  return { [LABEL]: `${hostname()} ${process.pid} ${Math.ceil(until)}` };
}

export interface Leftovers {
  /** Their IDs and names. */
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
}

/**
 * @param now milliseconds since 1970
 * @param own instead of what nobody uses, what this very process made: its caller knows that none of its recordings is running
 * @throws LensError `trace/engine-gone`
 */
export async function findLeftovers(
  engine: Engine,
  { now = Date.now(), own = false }: { readonly now?: number; readonly own?: boolean } = {},
): Promise<Leftovers> {
  const filters = { label: [LABEL] };
  const containers = await call(engine, 'list containers', () =>
    engine.docker.listContainers({ all: true, filters }),
  );
  const { Volumes: volumes } = await call(engine, 'list volumes', () =>
    engine.docker.listVolumes({ filters }),
  );
  // Labels may be null, whatever the types of the API say.
  const isWanted = ({ Labels: labels }: { Labels: Record<string, string> | null }) => {
    const maker = makerIn(labels?.[LABEL] ?? '');
    return own ? maker.isThisProcess : maker.until < now || maker.isDead;
  };
  return {
    containers: containers.filter(isWanted).map(({ Id: id }) => id),
    volumes: volumes.filter(isWanted).map(({ Name: name }) => name),
  };
}

/**
 * Bytes that each of them takes, by ID and name. What the engine cannot tell is missing; its figures are asked for only where
 * there is something, since working them out takes an engine a while.
 *
 * @throws LensError `trace/engine-gone`
 */
export async function leftoverSizes(
  engine: Engine,
  { containers, volumes }: Leftovers,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  if (containers.length > 0) {
    const filters = { id: [...containers] };
    const found = await call(engine, 'list containers', () =>
      engine.docker.listContainers({ all: true, size: true, filters }),
    );
    for (const { Id: id, ...rest } of found) {
      // Left out where nothing was written.
      const { SizeRw: size = 0 } = rest as { SizeRw?: number };
      sizes.set(id, size);
    }
  }
  if (volumes.length > 0) {
    const { Volumes: found } = (await call(engine, 'measure volumes', () => engine.docker.df())) as {
      Volumes: { Name: string; UsageData?: { Size: number } | null }[] | null;
    };
    for (const { Name: name, UsageData: usage } of found ?? [])
      if (volumes.includes(name) && usage && usage.Size >= 0) sizes.set(name, usage.Size);
  }
  return sizes;
}

/** Removes what `findLeftovers` found. What is gone already, or does not go, is passed over. */
export async function removeLeftovers(engine: Engine, { containers, volumes }: Leftovers): Promise<void> {
  for (const id of containers) await removeMade(engine, engine.docker.getContainer(id), undefined);
  for (const name of volumes) await removeMade(engine, undefined, name);
}

/** Never fails: where the engine is gone there is nobody to tell, and the label finds it again. */
export async function removeMade(
  engine: Engine,
  container: Docker.Container | undefined,
  volume: string | undefined,
): Promise<void> {
  if (container) await ended(container, 0, () => container.remove({ force: true, v: true }));
  if (volume !== undefined)
    await engine.docker
      .getVolume(volume)
      .remove()
      .catch(() => undefined);
}

/** How long after its kill the end of a container is waited for, in milliseconds. */
const END_LIMIT = 1000;

/**
 * Does what makes the engine kill a container `after` so many milliseconds. A killed program waits for its tracer once more
 * (PTRACE_EVENT_EXIT in ptrace(2)); one that has stopped its tracer would stay for ever, so then the tracer is made to go on,
 * which asking it for a look does. Never fails.
 */
export async function ended(
  container: Docker.Container,
  after: number,
  action: () => Promise<unknown>,
): Promise<void> {
  const wake = async () => {
    const exec = await container.exec({ Cmd: [TRACER, '-S', OUTPUT] });
    // The answer's connection would stay open.
    (await exec.start({ Detach: true })).destroy();
  };
  const timer = setTimeout(() => void wake().catch(() => undefined), after + END_LIMIT);
  await action().catch(() => undefined);
  clearTimeout(timer);
}

/** What a label says of who made something. Of a process on another host nobody here knows whether it is alive. */
function makerIn(label: string): { until: number; isThisProcess: boolean; isDead: boolean } {
  const [, host, pid = '', until] = /^(\S+) (\d+) (\d+)$/.exec(label) ?? [];
  const isHere = host === hostname();
  const isThisProcess = isHere && Number(pid) === process.pid;
  return {
    until: Number(until ?? 0),
    isThisProcess,
    isDead: isHere && !isThisProcess && !isAlive(Number(pid)),
  };
}
