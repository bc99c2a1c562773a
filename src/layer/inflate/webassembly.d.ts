/** The part of the WebAssembly interface that is used here; Node's types leave it to those of the browser. */
declare namespace WebAssembly {
  /** Compiled code; nothing of it is looked at. */
  type Module = object;
  const Module: new (bytes: Uint8Array) => Module;
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  const Instance: new (module: Module, imports: Record<string, never>) => Instance;
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
}
