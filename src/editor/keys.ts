/**
 * An image is known by its reference. Where the reference names several images, each for a platform of its own, the one for
 * this machine has the bare reference and the others are known by `REFERENCE#OS/ARCH`, as `formatPlatform` writes it.
 */
export function keyOf(reference: string, platform: string | undefined): string {
  return platform === undefined ? reference : `${reference}#${platform}`;
}

export function parseKey(key: string): { readonly reference: string; readonly platform: string | undefined } {
  const [, reference, platform] = /^(.*)#(\w+(?:\([\w.]+\))?\/[\w/]+)$/s.exec(key) ?? [];
  return reference === undefined ? { reference: key, platform: undefined } : { reference, platform };
}

/** How an image is shown where there is little room: without its transport, and a layout or archive without the folders it lies in. */
export function shortName(key: string): string {
  const { reference, platform } = parseKey(key);
  const name = reference.replace(/^(?:docker-daemon:|docker:\/\/|oci:|oci-archive:|docker-archive:)/, '');
  const short =
    homeOf(reference) === 'layout' ? (name.split(/[\\/]/).findLast((part) => part !== '') ?? name) : name;
  return platform === undefined ? short : `${short} (${platform})`;
}

/** Where an image is kept, as far as its name tells. */
export type Home = 'engine' | 'layout' | 'registry';

export function homeOf(key: string): Home {
  if (/^(?:oci|oci-archive|docker-archive):/.test(key) || /^(?:\.{0,2}\/|[A-Za-z]:\\)/.test(key))
    return 'layout';
  return key.startsWith('docker://') ? 'registry' : 'engine';
}

/** The sample image that the extension makes by itself. */
export function sampleKey({ sample }: { readonly sample: string }): string {
  return `oci:${sample}`;
}
