import net from 'node:net';
import { rm } from 'node:fs/promises';

/** Which request is cut, and how far it comes. */
export interface Cut {
  /** Of the request line, such as `/images/.*\/get`. */
  readonly path: RegExp;
  /** Bytes of that connection that still pass, both ways together. */
  readonly after: number;
}

/**
 * Stands between a client and a real Docker engine, and dies when it is told to: every connection breaks and nobody listens
 * any more, as with an engine that was killed. `revive` brings the engine back.
 */
export class EngineProxy {
  readonly #engine: net.NetConnectOpts;
  readonly #socket: string;
  readonly #connections = new Set<net.Socket>();
  #server: net.Server | undefined;
  #cut: Cut | undefined;
  /** Requests seen since the last `revive`, as their request lines. */
  readonly requests: string[] = [];

  /** @param socket path of the Unix socket to listen on */
  constructor(engine: string, socket: string) {
    const url = new URL(engine);
    this.#engine =
      url.protocol === 'unix:' ? { path: url.pathname } : { host: url.hostname, port: Number(url.port) };
    this.#socket = socket;
  }

  get host(): string {
    return `unix://${this.#socket}`;
  }

  get isDead(): boolean {
    return this.#server === undefined;
  }

  /** The next request that fits takes the engine with it. */
  dieIn(cut: Cut): void {
    this.#cut = cut;
  }

  async revive(): Promise<void> {
    this.#cut = undefined;
    this.requests.length = 0;
    await rm(this.#socket, { force: true });
    const server = net.createServer((client) => {
      this.#serve(client);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#socket, resolve));
  }

  die(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#connections) socket.destroy();
  }

  #serve(client: net.Socket): void {
    const engine = net.connect(this.#engine);
    let left = Infinity;
    const pass = (chunk: Buffer, to: net.Socket, from: net.Socket) => {
      left -= chunk.length;
      if (left < 0) {
        this.die();
        return;
      }
      if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    };
    client.on('data', (chunk) => {
      const line = /^(?:GET|POST|PUT|DELETE|HEAD) \S+/.exec(chunk.toString('latin1', 0, 1024))?.[0];
      if (line !== undefined) {
        this.requests.push(line);
        if (this.#cut?.path.test(line)) left = this.#cut.after;
      }
      pass(chunk, engine, client);
    });
    engine.on('data', (chunk) => {
      pass(chunk, client, engine);
    });
    for (const [one, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      this.#connections.add(one);
      one.on('end', () => other.end());
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#connections.delete(one);
        other.destroy();
      });
    }
  }
}
