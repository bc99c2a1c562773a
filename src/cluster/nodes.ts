import { LensError } from '../errors';

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

interface Family {
  readonly memoryPerVcpu: number;
  /** Baseline megabits per second by size. */
  readonly network: Readonly<Record<string, number>>;
  /** The instance has an NVMe disk of its own, which images can be put on. */
  readonly instanceStore?: boolean;
}

const INTEL_6_7 = {
  large: 781,
  xlarge: 1562,
  '2xlarge': 3125,
  '4xlarge': 6250,
  '8xlarge': 12500,
  '12xlarge': 18750,
  '16xlarge': 25000,
  '24xlarge': 37500,
} as const;
const GRAVITON_7 = {
  medium: 520,
  large: 937,
  xlarge: 1876,
  '2xlarge': 3750,
  '4xlarge': 7500,
  '8xlarge': 15000,
  '12xlarge': 22500,
  '16xlarge': 30000,
} as const;

/**
 * Families of Amazon EC2. Network: the baseline figures that Karpenter generates from AWS's documentation
 * (pkg/providers/instancetype/zz_generated.bandwidth.go of aws/karpenter-provider-aws); memory for each vCPU and instance
 * stores: "Amazon EC2 instance types". A size of N xlarge has 4 N vCPUs in all of them.
 */
const FAMILIES: Readonly<Record<string, Family>> = {
  t3: { memoryPerVcpu: 4, network: { large: 512, xlarge: 1024, '2xlarge': 2048 } },
  m5: {
    memoryPerVcpu: 4,
    network: {
      large: 750,
      xlarge: 1250,
      '2xlarge': 2500,
      '4xlarge': 5000,
      '8xlarge': 10000,
      '12xlarge': 12000,
      '16xlarge': 20000,
      '24xlarge': 25000,
    },
  },
  m6i: { memoryPerVcpu: 4, network: { ...INTEL_6_7, '32xlarge': 50000 } },
  c6i: { memoryPerVcpu: 2, network: { ...INTEL_6_7, '32xlarge': 50000 } },
  r6i: { memoryPerVcpu: 8, network: { ...INTEL_6_7, '32xlarge': 50000 } },
  m7i: { memoryPerVcpu: 4, network: { ...INTEL_6_7, '48xlarge': 50000 } },
  c7i: { memoryPerVcpu: 2, network: { ...INTEL_6_7, '48xlarge': 50000 } },
  r7i: { memoryPerVcpu: 8, network: { ...INTEL_6_7, '48xlarge': 50000 } },
  m7g: { memoryPerVcpu: 4, network: GRAVITON_7 },
  c7g: { memoryPerVcpu: 2, network: GRAVITON_7 },
  r7g: { memoryPerVcpu: 8, network: GRAVITON_7 },
  i4i: {
    memoryPerVcpu: 8,
    instanceStore: true,
    network: {
      large: 781,
      xlarge: 1875,
      '2xlarge': 4687,
      '4xlarge': 9375,
      '8xlarge': 18750,
      '16xlarge': 37500,
    },
  },
  g4dn: {
    memoryPerVcpu: 4,
    instanceStore: true,
    network: {
      xlarge: 5000,
      '2xlarge': 10000,
      '4xlarge': 20000,
      '8xlarge': 50000,
      '12xlarge': 50000,
      '16xlarge': 50000,
    },
  },
  g5: {
    memoryPerVcpu: 4,
    instanceStore: true,
    network: {
      xlarge: 2500,
      '2xlarge': 5000,
      '4xlarge': 10000,
      '8xlarge': 25000,
      '12xlarge': 40000,
      '16xlarge': 25000,
      '24xlarge': 50000,
      '48xlarge': 100000,
    },
  },
  g6: {
    memoryPerVcpu: 4,
    instanceStore: true,
    network: {
      xlarge: 2500,
      '2xlarge': 5000,
      '4xlarge': 10000,
      '8xlarge': 25000,
      '12xlarge': 40000,
      '16xlarge': 25000,
      '24xlarge': 50000,
      '48xlarge': 100000,
    },
  },
  g6e: {
    memoryPerVcpu: 8,
    instanceStore: true,
    network: {
      xlarge: 2500,
      '2xlarge': 5000,
      '4xlarge': 20000,
      '8xlarge': 25000,
      '12xlarge': 100000,
      '16xlarge': 35000,
      '24xlarge': 200000,
      '48xlarge': 400000,
    },
  },
  p4d: { memoryPerVcpu: 12, instanceStore: true, network: { '24xlarge': 400000 } },
};

/** A gp3 volume as it comes: 3000 IOPS and 125 MiB/s ("Amazon EBS volume types"). */
const GP3 = { diskIops: 3000, diskMBps: 125 } as const;
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

/** Instance types that are known by name. */
export function instanceTypes(): string[] {
  return Object.entries(FAMILIES).flatMap(([family, { network }]) =>
    Object.keys(network).map((size) => `${family}.${size}`),
  );
}

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
  return FAMILIES[name.split(/[.,]/)[0] ?? '']?.instanceStore === true;
}

function instance(name: string): Pick<NodeSpec, 'vcpus' | 'memoryGib' | 'networkMbps'> {
  const [familyName = '', size = ''] = name.split('.');
  const family = Object.hasOwn(FAMILIES, familyName) ? FAMILIES[familyName] : undefined;
  const networkMbps = family && Object.hasOwn(family.network, size) ? family.network[size] : undefined;
  if (!family || networkMbps === undefined) throw badNode(name);
  const vcpus = vcpusOf(size);
  return { vcpus, memoryGib: vcpus * family.memoryPerVcpu, networkMbps };
}

function vcpusOf(size: string): number {
  if (size === 'medium') return 1;
  if (size === 'large') return 2;
  return size === 'xlarge' ? 4 : 4 * Number.parseInt(size, 10);
}

function badNode(what: string): LensError {
  return new LensError(
    'cluster/bad-node',
    `"${what}" describes no node.`,
    `Give an instance type of ${Object.keys(FAMILIES).join(', ')}, such as ${DEFAULT_NODE_SPEC}, or vcpu=N,mem=GIB,net=MBITS, each with iops=N, disk=MBPS or nvme where it differs.`,
  );
}
