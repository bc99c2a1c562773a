import { LensError } from '../errors';
import type { Platform } from './types';

/**
 * Reads `os[(version)][/architecture[/variant]]` and normalises it as containerd's platforms 1.0 does (soci-format §3.4):
 * `linux/x86_64` becomes amd64, while `linux/arm64/v8` keeps its variant. A single word is an OS or an architecture; the
 * host gives the rest. Throws `oci/bad-platform`.
 */
export function parsePlatform(specifier: string): Platform {
  const parts = specifier.split('/');
  const [first = '', second, third] = parts;
  const os = /^([A-Za-z0-9_.-]+)(?:\(([A-Za-z0-9_.-]*)\))?$/.exec(first);
  if (!os?.[1] || parts.length > 3 || parts.slice(1).some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw badPlatform(specifier);
  }
  const name = normaliseOs(os[1]);
  const version = os[2] ? { 'os.version': os[2] } : {};
  if (second === undefined) return { ...alone(name, specifier), ...version };
  const { architecture, variant } = normaliseArchitecture(second, third ?? '');
  // containerd's parser: arm's own default is left out, while a variant asked for on arm64 stays.
  const shown =
    third === undefined
      ? architecture === 'arm' && variant === 'v7'
        ? ''
        : variant
      : architecture === 'arm64' && variant === ''
        ? 'v8'
        : variant;
  return { architecture, os: name, ...version, ...(shown ? { variant: shown } : {}) };
}

/** `os[(version)]/architecture[/variant]`, as a person would write it. */
export function formatPlatform(platform: Platform): string {
  const version = platform['os.version'] ? `(${platform['os.version']})` : '';
  const variant = platform.variant ? `/${platform.variant}` : '';
  return `${platform.os}${version}/${platform.architecture}${variant}`;
}

/** A platform's names as containerd compares them: lower case, aliases resolved, the default variants left out or put in. */
export function normalisePlatform(platform: Platform): Platform {
  const { architecture, variant } = normaliseArchitecture(platform.architecture, platform.variant ?? '');
  return {
    architecture,
    os: normaliseOs(platform.os),
    ...(platform['os.version'] ? { 'os.version': platform['os.version'] } : {}),
    ...(platform['os.features']?.length ? { 'os.features': platform['os.features'] } : {}),
    ...(variant ? { variant } : {}),
  };
}

/** Strict match after normalisation: arm64 is arm64/v8, but amd64 is not amd64/v2 (soci-format §3.4). */
export function samePlatform(a: Platform, b: Platform): boolean {
  const left = normalisePlatform(a);
  const right = normalisePlatform(b);
  return (
    left.os === right.os &&
    left.architecture === right.architecture &&
    left.variant === right.variant &&
    (left.os !== 'windows' || !a['os.version'] || !b['os.version'] || a['os.version'] === b['os.version'])
  );
}

/**
 * The platform of the containers that this machine runs: always Linux, since engines on other systems run a Linux VM, and
 * with the CPU variant on ARM as containerd has it.
 */
export function hostPlatform(): Platform {
  const known = HOST_ARCHITECTURES.get(process.arch);
  return { architecture: process.arch, os: 'linux', ...known };
}

/** Node's names of those architectures that Go calls otherwise. */
const HOST_ARCHITECTURES: ReadonlyMap<string, Pick<Platform, 'architecture' | 'variant'>> = new Map([
  ['x64', { architecture: 'amd64' }],
  ['ia32', { architecture: '386' }],
  ['arm64', { architecture: 'arm64', variant: 'v8' }],
  ['arm', { architecture: 'arm', variant: 'v7' }],
]);

/** A lone word: an OS of Go's that containers run on, or an architecture. */
function alone(word: string, specifier: string): Platform {
  const host = hostPlatform();
  if (['linux', 'windows', 'freebsd', 'darwin'].includes(word)) return { ...host, os: word };
  const { architecture, variant } = normaliseArchitecture(word, '');
  if (!ARCHITECTURES.has(architecture)) throw badPlatform(specifier);
  const shown = architecture === 'arm' && variant === 'v7' ? '' : variant;
  return { architecture, os: host.os, ...(shown ? { variant: shown } : {}) };
}

const ARCHITECTURES: ReadonlySet<string> = new Set(
  '386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm'.split(' '),
);

function badPlatform(specifier: string): LensError {
  return new LensError(
    'oci/bad-platform',
    `"${specifier}" is not a platform.`,
    'Write it as os/architecture, for example linux/amd64 or linux/arm64/v8.',
  );
}

function normaliseOs(os: string): string {
  const name = os.toLowerCase();
  return name === 'macos' ? 'darwin' : name;
}

/** containerd/platforms, `normalizeArch`. */
function normaliseArchitecture(name: string, given: string): { architecture: string; variant: string } {
  const architecture = name.toLowerCase();
  const variant = given.toLowerCase();
  switch (architecture) {
    case 'i386':
      return { architecture: '386', variant: '' };
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return { architecture: 'amd64', variant: variant === 'v1' ? '' : variant };
    case 'aarch64':
    case 'arm64':
      return { architecture: 'arm64', variant: ARM64_VARIANTS.get(variant) ?? variant };
    case 'armhf':
      return { architecture: 'arm', variant: 'v7' };
    case 'armel':
      return { architecture: 'arm', variant: 'v6' };
    case 'arm':
      return { architecture: 'arm', variant: ARM_VARIANTS.get(variant) ?? variant };
    default:
      return { architecture, variant };
  }
}

const ARM64_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['8', ''],
  ['v8', ''],
  ['v8.0', ''],
  ['9', 'v9'],
  ['9.0', 'v9'],
  ['v9.0', 'v9'],
]);

const ARM_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['', 'v7'],
  ['7', 'v7'],
  ['5', 'v5'],
  ['6', 'v6'],
  ['8', 'v8'],
]);
