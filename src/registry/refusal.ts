import { LensError } from '../errors';
import { signInAdvice } from './auth';
import { type HttpResponse, readBody } from './transport';

/** Registries explain themselves in a few lines; a page of HTML is not read further. */
const ERROR_LIMIT = 64 * 1024;

/**
 * The error for an answer that is not what was asked for. Consumes the answer.
 *
 * @param what completes "the registry refuses to …"
 */
export async function refusal(response: HttpResponse, host: string, what: string): Promise<LensError> {
  const { code, message } = await readErrors(response);
  const said = message === '' ? `status ${response.status}` : `${message} (status ${response.status})`;
  const because = `${host} refuses to ${what}: ${said}.`;
  switch (response.status) {
    case 401:
      return new LensError('registry/unauthorized', because, signInAdvice(host, false));
    case 403:
      return new LensError(
        'registry/denied',
        because,
        'Sign in as someone who may do this in that repository, or choose another one.',
      );
    case 404:
      return new LensError(
        'registry/not-found',
        because,
        'Check the name of the repository; some registries want it to be created first.',
      );
    case 405:
      return new LensError(
        'registry/unsupported',
        because,
        'The registry does not offer this: switch it on there, or use its own console.',
      );
    case 413:
      return new LensError(
        'registry/refused',
        because,
        'The registry or a proxy before it limits the size of uploads: raise that limit.',
      );
    case 429:
      return new LensError(
        'registry/too-many-requests',
        because,
        'Wait a while, or sign in: registries allow more to those whom they know.',
      );
    default:
      if (response.status >= 500) {
        return new LensError(
          'registry/unavailable',
          because,
          'The registry has trouble of its own: try again later.',
        );
      }
      if (/IMMUTABLE/i.test(`${code} ${message}`)) {
        return new LensError(
          'registry/immutable-tag',
          because,
          'Push under a new tag: tags of this repository cannot be changed.',
        );
      }
      return new LensError(
        'registry/refused',
        because,
        'Read what the registry says; its documentation tells what it accepts.',
      );
  }
}

/** distribution-spec 1.1, "Error Codes": `{"errors":[{"code","message","detail"}]}`. Only its text is shown. */
async function readErrors(response: HttpResponse): Promise<{ code: string; message: string }> {
  try {
    const answer: unknown = JSON.parse((await readBody(response, ERROR_LIMIT)).toString());
    const errors: unknown =
      typeof answer === 'object' && answer !== null && 'errors' in answer ? answer.errors : undefined;
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    if (typeof first === 'object' && first !== null) {
      const code = 'code' in first && typeof first.code === 'string' ? first.code : '';
      const message = 'message' in first && typeof first.message === 'string' ? first.message : '';
      return { code, message: clean(message || code) };
    }
  } catch {
    // No explanation in the agreed form: the status has to do.
  }
  await response.discard();
  return { code: '', message: '' };
}

/** One line without control characters, for a message on a terminal; a registry may even quote what it was sent. */
function clean(text: string): string {
  return text
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]+/gi, '$1 …')
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .replace(/\.$/, '')
    .slice(0, 300);
}
