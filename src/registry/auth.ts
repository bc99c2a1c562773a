import { LensError } from '../errors';
import type { Credentials } from './credentials';
import { isLoopback } from './proxy';
import { type HttpResponse, isTransient, readBody, type Transport } from './transport';

/** distribution-spec leaves this open; Docker's token specification says 60 seconds where none are given. */
const DEFAULT_LIFETIME = 60;
/** A token this close to its end is replaced before a request, in milliseconds. */
const MARGIN = 10_000;
const CLIENT_ID = 'soci-lens';

/** One challenge of `WWW-Authenticate` (RFC 9110 §11.6.1). */
interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

interface Token {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/**
 * Who we are to one registry: nobody, by name and password, or by tokens that its token service gives for a scope
 * (Docker's token authentication specification, RFC 6750). Nothing is sent before the registry asks for it.
 */
export class Authorizer {
  private challenge: Challenge | undefined;
  private known: Promise<Credentials | undefined> | undefined;
  private readonly tokens = new Map<string, Promise<Token>>();

  constructor(
    private readonly host: string,
    private readonly transport: Transport,
    private readonly credentials: (host: string) => Promise<Credentials | undefined>,
    private readonly plainHttp: boolean,
  ) {}

  /** The `Authorization` for a request with this scope (`repository:NAME:pull,push`), as far as the registry has asked for one. */
  async header(scope: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (!this.challenge) return undefined;
    if (this.challenge.scheme === 'basic') {
      const credentials = await this.signedIn();
      return credentials && 'username' in credentials ? basic(credentials) : undefined;
    }
    const known = this.tokens.get(scope);
    const token = await known?.catch(() => undefined);
    if (token && token.expires - MARGIN > Date.now()) return `Bearer ${token.value}`;
    // Another request may have asked for a new one while this one waited.
    let fresh = this.tokens.get(scope);
    if (!fresh || fresh === known) {
      fresh = this.fetchToken(this.challenge, scope, signal);
      this.tokens.set(scope, fresh);
      fresh.catch(() => this.tokens.delete(scope));
    }
    return `Bearer ${(await fresh).value}`;
  }

  /**
   * Takes in a 401. Returns true when another try with a new `header` makes sense.
   *
   * @param used what the refused request carried
   */
  async refused(response: HttpResponse, scope: string, used: string | undefined): Promise<boolean> {
    const challenge = chooseChallenge(response.header('www-authenticate'));
    if (!challenge) return false;
    if (challenge.scheme === 'basic') {
      const credentials = await this.signedIn();
      this.challenge = challenge;
      return used === undefined && credentials !== undefined && 'username' in credentials;
    }
    this.challenge = challenge;
    // The token may have ended in the middle of the work; one that was refused is not shown again. Of requests that are refused
    // side by side the first has a new one got, which the others must not throw away.
    const known = await this.tokens.get(scope)?.catch(() => undefined);
    if (known && used === `Bearer ${known.value}`) this.tokens.delete(scope);
    return true;
  }

  private signedIn(): Promise<Credentials | undefined> {
    this.known ??= this.credentials(this.host);
    return this.known;
  }

  private async fetchToken(
    challenge: Challenge,
    scope: string,
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const realm = this.realm(challenge);
    const credentials = await this.signedIn();
    const service = challenge.parameters.get('service');
    const form = new URLSearchParams({ ...(service !== undefined && { service }), scope });
    const send = () => {
      if (credentials && 'identityToken' in credentials) {
        // OAuth2 with a refresh token is the only way to use an identity token (docker/distribution, token/oauth).
        const body = new URLSearchParams({
          grant_type: 'refresh_token',
          client_id: CLIENT_ID,
          refresh_token: credentials.identityToken,
          ...Object.fromEntries(form),
        });
        const headers = { 'content-type': 'application/x-www-form-urlencoded' };
        return this.transport.send({
          method: 'POST',
          url: realm,
          headers,
          body: Buffer.from(body.toString()),
          signal,
        });
      }
      const url = new URL(realm);
      for (const [key, value] of form) url.searchParams.append(key, value);
      return this.transport.send({
        method: 'GET',
        url,
        authorization: credentials && basic(credentials),
        signal,
      });
    };
    for (let attempt = 0; ; attempt++) {
      const response = await send();
      if (response.status === 200) return readToken(await readBody(response, 1 << 20), realm);
      if (isTransient(response.status) && attempt + 1 < this.transport.retry.attempts) {
        await response.discard();
        await this.transport.pause(attempt, response, signal);
        continue;
      }
      await response.discard();
      throw new LensError(
        'registry/unauthorized',
        `${realm.host} gives no token for ${this.host} (status ${response.status}).`,
        signInAdvice(this.host, credentials !== undefined),
      );
    }
  }

  private realm(challenge: Challenge): URL {
    const realm = challenge.parameters.get('realm');
    const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined;
    const isSafe =
      url?.protocol === 'https:' ||
      (url?.protocol === 'http:' && (this.plainHttp || isLoopback(url.hostname)));
    if (!url || !isSafe) {
      throw new LensError(
        'registry/unauthorized',
        `${this.host} names a token service that cannot be trusted with credentials: it is not reached by https.`,
        'Ask who runs the registry; a token service needs an https address.',
      );
    }
    return url;
  }
}

/** What to do about a refusal. */
export function signInAdvice(host: string, isSignedIn: boolean): string {
  return isSignedIn
    ? `The stored credentials for ${host} are not accepted or not enough: sign in again with "docker login ${host}".`
    : `Sign in with "docker login ${host}".`;
}

function basic(credentials: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

/** Bearer before Basic, as Docker does. */
function chooseChallenge(header: string | undefined): Challenge | undefined {
  const challenges = parseChallenges(header ?? '');
  return (
    challenges.find(({ scheme }) => scheme === 'bearer') ??
    challenges.find(({ scheme }) => scheme === 'basic')
  );
}

/** `Bearer realm="…",service="…"`, several of them separated by commas as well. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const token = /\s*,?\s*(?:([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([\w-]+)(?=\s|,|$))/gy;
  for (let match = token.exec(header); match; match = token.exec(header)) {
    const [, key, quoted, plain, scheme] = match;
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (key !== undefined)
      challenges.at(-1)?.parameters.set(key.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
  }
  return challenges;
}

function readToken(bytes: Buffer, realm: URL): Token {
  let answer: unknown;
  try {
    answer = JSON.parse(bytes.toString());
  } catch {
    answer = undefined;
  }
  if (typeof answer === 'object' && answer !== null) {
    const value =
      'token' in answer ? answer.token : 'access_token' in answer ? answer.access_token : undefined;
    const lifetime =
      'expires_in' in answer && typeof answer.expires_in === 'number' ? answer.expires_in : DEFAULT_LIFETIME;
    if (typeof value === 'string' && value !== '') {
      // The clock of the server may differ from ours, so its `issued_at` is not used.
      return { value, expires: Date.now() + lifetime * 1000 };
    }
  }
  throw new LensError(
    'registry/unauthorized',
    `The token service at ${realm.host} answers without a token.`,
    'Ask who runs the registry.',
  );
}
