/**
 * What things cost on the way to a started container: the constants of the simulator, all in one place. Each was taken
 * from the logs of the real snapshotter on fx-py (`docs/model.md`, "Constants"), and checked on applications that none was
 * fitted on. Times are milliseconds.
 */
export const COSTS = {
  /** Registry and client, for each request beside the round trip: spans of 256 KiB took 5.7 ms without any latency. */
  request: 5,
  /** What the snapshotter takes in at most, whatever the link gives: 3.4 ms for a megabyte. */
  intakeBytesPerSecond: 290e6,
  /** Resolving the image, unmarshalling its ztocs, mounts. */
  resolve: 200,
  /** One un-indexed layer beside its bytes: a directory, a mount, commit. */
  plainLayer: 20,
  /** Inserting one file into the metadata database; one writer at a time for all layers. */
  insertFile: 0.021,
  /** Creating the container and its task. */
  create: 120,
  /** Inflating a MiB of a span. */
  inflateMib: 3.7,
  /** Checking a MiB of a span and storing it in the span cache: 1.0 at 256 KiB, 1.75 at 1 MiB, 2.5 at 4 MiB. */
  storeMib: 2.5,
  /** The storing cost of a MiB grows with the span up to this size, by this power. */
  storeLargeMib: 4,
  storeGrowth: 0.3,
  /** How much slower each span gets when several are inflated at once, and reading a MiB back that was prefetched. */
  prefetchSlowdown: 1.3,
  readBackMib: 0.75,
  /** What each file of the start costs more through FUSE than on a local file system: lookups, open, header check, reads. */
  fuseFile: 0.95,
  /** A layer that is not mounted after this time is pulled whole (`mount_timeout_sec`, soci-format §6.8). */
  mountTimeout: 30_000,
  /** The background fetcher: its silence after the first mount, and its step (soci-format §6.4). */
  backgroundSilence: 30_000,
  backgroundStep: 500,
  /** Bytes per second that one processor takes in, hashes and writes when whole layers are pulled: 190–250 MB/s with two. */
  pullBytesPerSecondAndCore: 112e6,
  /** Beside its bytes, a file costs this much when a layer is unpacked: creation, owner, times. */
  unpackFile: 0.1,
  /** The application's own time where no trace tells. */
  unknownStart: 500,
} as const;

/** Round trips in series before the first mount of a lazy start (`docs/model.md`, "Requests"). */
export const ROUND_TRIPS = {
  /** HEAD tag, index, manifest, config. */
  client: 4,
  /** The image's manifest again, HEAD and GET of the SOCI manifest. */
  daemon: 3,
  /** What finding a v1 index costs more: referrers or the fallback tag. */
  v1: 1,
} as const;

/** A new connection: the first bytes that TCP sends before it has heard anything (RFC 6928: ten segments of 1460). */
export const FIRST_WINDOW = 14_600;
/** Round trips before the first request of a new connection: SYN, and TLS 1.3's handshake (RFC 8446 §2). */
export const SETUP_ROUND_TRIPS = { kept: 0, tcp: 1, tls: 2 } as const;
