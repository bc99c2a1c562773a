/** The releases of soci-snapshotter that we know the config of, oldest first (soci-format §0). */
export const RELEASES = ['0.9', '0.10', '0.11', '0.12', '0.13', '0.14', '0.15'] as const;

/** A minor release of soci-snapshotter; its patches read the same config. */
export type Release = (typeof RELEASES)[number];

export const LATEST_RELEASE: Release = '0.15';

/** The release that a version names, such as `0.11.1`, `v0.12.0` or `0.13`; `undefined` for one that we do not know. */
export function parseRelease(version: string): Release | undefined {
  const [, minor] = /^v?(0\.\d+)(?:\.\d+)?(?:[-+].*)?$/.exec(version.trim()) ?? [];
  return RELEASES.find((release) => release === minor);
}

/** True when `release` is `since` or newer. */
export function isAtLeast(release: Release, since: Release): boolean {
  return RELEASES.indexOf(release) >= RELEASES.indexOf(since);
}
