/** The part of the WebAssembly interface that is used here; Node's types leave it to those of the browser. */
declare namespace WebAssembly {
  /** Compiled code; nothing of it is looked at. */
  type Module = object;
  const Module: new (bytes: Uint8Array) => Module;
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  const Instance: new (module: Module, imports: { readonly env: { readonly memory: Memory } }) => Instance;
  interface Memory {
    readonly buffer: SharedArrayBuffer;
  }
  /** Sizes in pages of 64 KiB. */
  const Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => Memory;
}
