import type * as vscode from 'vscode';
import type { Credentials } from '../registry/credentials';

/** Registries with a sign-in of ours; their names alone, which are no secret. */
const HOSTS = 'signedIn';

/**
 * Sign-ins of registries that were made here, in VS Code's own secret storage and nowhere else. Those of `docker login` stay
 * where Docker keeps them.
 */
export class SignIns {
  readonly #secrets: vscode.SecretStorage;
  readonly #names: vscode.Memento;

  constructor(secrets: vscode.SecretStorage, names: vscode.Memento) {
    this.#secrets = secrets;
    this.#names = names;
  }

  /** `host[:port]` of each. */
  get hosts(): readonly string[] {
    return this.#names.get<string[]>(HOSTS, []);
  }

  async get(host: string): Promise<Credentials | undefined> {
    const stored: unknown = JSON.parse((await this.#secrets.get(key(host))) ?? 'null');
    if (typeof stored !== 'object' || stored === null || !('username' in stored) || !('password' in stored))
      return undefined;
    const { username, password } = stored;
    return typeof username === 'string' && typeof password === 'string' ? { username, password } : undefined;
  }

  async signIn(host: string, username: string, password: string): Promise<void> {
    await this.#secrets.store(key(host), JSON.stringify({ username, password }));
    await this.#names.update(HOSTS, [...new Set([...this.hosts, host])].sort());
  }

  async signOut(host: string): Promise<void> {
    await this.#secrets.delete(key(host));
    await this.#names.update(
      HOSTS,
      this.hosts.filter((other) => other !== host),
    );
  }
}

function key(host: string): string {
  return `registry:${host}`;
}
