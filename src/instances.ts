/** Amazon EC2 instance types: the one table that forecasts and configs are reckoned from. */

/** What an instance can do, as far as pulling is concerned. */
export interface Instance {
  readonly vcpus: number;
  readonly memoryGib: number;
  /** Sustained, in megabits per second: the baseline, not the "up to". */
  readonly networkMbps: number;
  /** It has an NVMe disk of its own, which images can be put on. */
  readonly instanceStore: boolean;
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
/** Both generations with one to eight graphics processors. */
const GPU_5_6 = {
  xlarge: 2500,
  '2xlarge': 5000,
  '4xlarge': 10000,
  '8xlarge': 25000,
  '12xlarge': 40000,
  '16xlarge': 25000,
  '24xlarge': 50000,
  '48xlarge': 100000,
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
  g5: { memoryPerVcpu: 4, instanceStore: true, network: GPU_5_6 },
  g6: { memoryPerVcpu: 4, instanceStore: true, network: GPU_5_6 },
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
  p5: { memoryPerVcpu: 2048 / 192, instanceStore: true, network: { '48xlarge': 3200000 } },
};

/** The families by name, for messages. */
export const INSTANCE_FAMILIES: readonly string[] = Object.keys(FAMILIES);

/** Undefined for a type that is not in the table. */
export function instanceOf(type: string): Instance | undefined {
  const [familyName = '', size = ''] = type.split('.');
  const family = Object.hasOwn(FAMILIES, familyName) ? FAMILIES[familyName] : undefined;
  const networkMbps = family && Object.hasOwn(family.network, size) ? family.network[size] : undefined;
  if (!family || networkMbps === undefined) return undefined;
  const vcpus = vcpusOf(size);
  return {
    vcpus,
    memoryGib: vcpus * family.memoryPerVcpu,
    networkMbps,
    instanceStore: family.instanceStore === true,
  };
}

function vcpusOf(size: string): number {
  if (size === 'medium') return 1;
  if (size === 'large') return 2;
  return size === 'xlarge' ? 4 : 4 * Number.parseInt(size, 10);
}

/** A gp3 volume as it comes: 3000 IOPS and 125 MiB/s ("Amazon EBS volume types"). */
export const USUAL_VOLUME = { iops: 3000, megabytesPerSecond: 125 } as const;
