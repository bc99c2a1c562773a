/** One thing that was made and can go. */
export interface MadeItem {
  /** Names it, and it alone, in the list: `registry.example/shop:1-soci`, `cache/scans`, `DaemonSet/soci-installer`. */
  readonly id: string;
  readonly kind: 'index' | 'soci-tag' | 'image' | 'container' | 'volume' | 'cache' | 'object';
  /** Bytes that it takes; undefined where nobody tells. */
  readonly size?: number | undefined;
  readonly created?: Date | undefined;
  /** What is gone already is as good as removed. */
  readonly remove: (signal: AbortSignal) => Promise<unknown>;
}
