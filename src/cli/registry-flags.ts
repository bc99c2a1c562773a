import type { RegistryOptions } from '../registry/client';

/** Flags of every verb that talks to a registry. */
export const REGISTRY_FLAGS = {
  'plain-http': {
    type: 'boolean',
    help: 'Talk to the registry without TLS; on this machine that is the custom anyway.',
  },
  'ca-file': { type: 'string', value: 'FILE', help: 'Trust this certificate authority too (PEM).' },
} as const;

export interface RegistryFlagValues {
  readonly 'plain-http'?: boolean | undefined;
  readonly 'ca-file'?: string | undefined;
}

/** What the flags mean for a client. */
export function registryOptions(flags: RegistryFlagValues): RegistryOptions {
  return {
    ...(flags['plain-http'] && { plainHttp: true }),
    ...(flags['ca-file'] !== undefined && { caFile: flags['ca-file'] }),
  };
}
