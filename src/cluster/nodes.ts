import { LensError } from '../errors';
import { INSTANCE_FAMILIES, instanceOf, USUAL_VOLUME, type Instance } from '../instances';

/** What a node can do, as far as pulling is concerned. */
export interface NodeSpec {
  /** An instance type, or how it was described. */
  readonly name: string;
  readonly vcpus: number;
  readonly memoryGib: number;
  /** Sustained, in megabits per second: the baseline, not the "up to". */
  readonly networkMbps: number;
  /** Of the disk that holds the images, in megabytes per second. */
  readonly diskMBps: number;
  readonly diskIops: number;
  /** True for an NVMe disk of the node itself. */
  readonly nvme: boolean;
}

const GP3 = { diskIops: USUAL_VOLUME.iops, diskMBps: USUAL_VOLUME.megabytesPerSecond } as const;
/** One NVMe disk of an instance, a low figure on purpose: sizes differ ("SSD instance store volumes"). */
const NVME = { diskIops: 100_000, diskMBps: 1000 } as const;

const LIMITS = {
  vcpu: [1, 1024],
  mem: [0.5, 65_536],
  net: [1, 10_000_000],
  iops: [1, 10_000_000],
  disk: [1, 1_000_000],
} as const;
type Figure = keyof typeof LIMITS;

/** What a node is taken for when nothing is said: small enough to be safe everywhere. */
export const DEFAULT_NODE_SPEC = 'm6i.xlarge';

/**
 * Reads a node: an instance type, free figures, or a type and figures that hold instead of its own:
 * `g5.4xlarge,iops=16000,disk=1000`, `m6i.2xlarge,nvme`, `vcpu=8,mem=32,net=5000`. `net` is in Mbit/s, `disk` in MB/s,
 * `mem` in GiB.
 *
 * @throws LensError `cluster/bad-node`
 */
export function parseNodeSpec(text: string): NodeSpec {
  const [first = '', ...rest] = text.split(',').map((part) => part.trim());
  const isType = !first.includes('=') && first !== 'nvme';
  const type = isType ? instance(first) : undefined;
  const figures: Partial<Record<Figure, number>> = {};
  let nvme = false;
  for (const part of isType ? rest : [first, ...rest]) {
    if (part === 'nvme') {
      nvme = true;
      continue;
    }
    const [, name = '', digits] = /^([a-z]+)=(\d+(?:\.\d+)?)$/.exec(part) ?? [];
    const figure = (Object.keys(LIMITS) as Figure[]).find((one) => one === name);
    const value = Number(digits);
    if (!figure || value < LIMITS[figure][0] || value > LIMITS[figure][1]) throw badNode(part);
    figures[figure] = value;
  }
  const missing = type ? [] : (['vcpu', 'mem', 'net'] as const).filter((one) => figures[one] === undefined);
  if (missing.length > 0) throw badNode(`${text} (no ${missing.join(', ')})`);
  const disk = nvme ? NVME : GP3;
  return {
    name: text,
    vcpus: figures.vcpu ?? type?.vcpus ?? 1,
    memoryGib: figures.mem ?? type?.memoryGib ?? 1,
    networkMbps: figures.net ?? type?.networkMbps ?? 1,
    diskIops: figures.iops ?? disk.diskIops,
    diskMBps: figures.disk ?? disk.diskMBps,
    nvme,
  };
}

/** True when the instance has an NVMe disk that images could be put on. */
export function hasInstanceStore(name: string): boolean {
  return instanceOf(name.split(',')[0] ?? '')?.instanceStore === true;
}

function instance(name: string): Instance {
  const found = instanceOf(name);
  if (!found) throw badNode(name);
  return found;
}

function badNode(what: string): LensError {
  return new LensError(
    'cluster/bad-node',
    `"${what}" describes no node.`,
    `Give an instance type of ${INSTANCE_FAMILIES.join(', ')}, such as ${DEFAULT_NODE_SPEC}, or vcpu=N,mem=GIB,net=MBITS, each with iops=N, disk=MBPS or nvme where it differs.`,
  );
}
