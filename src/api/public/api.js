/** Talks to the server. The session is a cookie that scripts cannot read; nothing secret is kept here. */

/** An answer that says what went wrong. `code` never changes; `message` is for people. */
export class Problem extends Error {
  /** @param {{ code?: string, title?: string, detail?: string, status?: number, errors?: { path: string, message: string }[] }} body */
  constructor(body) {
    const faults = (body.errors ?? []).map(({ path, message }) => `${path} ${message}`.trim());
    const sentence = body.detail ?? body.title ?? 'Something went wrong';
    super([sentence, ...faults].map((text) => text.replace(/[.!]?$/, '.')).join(' '));
    this.code = body.code ?? 'unknown';
    this.status = body.status ?? 0;
  }
}

export const UNREACHABLE = { code: 'unreachable', title: 'The server cannot be reached' };

/**
 * One request with JSON both ways.
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<any>} undefined where the answer has no body
 * @throws {Problem}
 */
export async function ask(method, path, body) {
  const json = body && {
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  };
  let response;
  let text;
  try {
    response = await fetch(path, { method, ...json });
    text = await response.text();
  } catch {
    throw new Problem(UNREACHABLE);
  }
  const answer = readJson(text);
  if (!response.ok) throw new Problem(answer ?? { status: response.status });
  return answer;
}

/** @param {string} text @returns {any} undefined for what is no JSON, such as a proxy's page */
export function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
