/**
 * Reads the text of a `.env` file. Has no dependencies, because set-up needs it before anything is installed.
 *
 * Understood: `KEY=value`, `export KEY=value`, single and double quotes (in double quotes `\n`, `\t`, `\"`, `\\`),
 * a comment after white space and `#`, blank lines, CRLF, a byte order mark. Nothing is expanded: `$` is only a dollar.
 * @param {string} text
 * @returns {Record<string, string>} the last value wins where a key is given twice
 * @throws {SyntaxError} naming the line that is not `KEY=value`
 */
export function parseEnvFile(text) {
  /** @type {Record<string, string>} */
  const values = {};
  text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .forEach((line, index) => {
      const trimmed = line.trim();
      if (trimmed === '' || trimmed.startsWith('#')) return;
      const match = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(trimmed);
      const value = match?.[2] === undefined ? undefined : parseValue(match[2]);
      if (!match?.[1] || value === undefined) {
        throw new SyntaxError(
          `Line ${index + 1} of .env is not KEY=value; correct it or start it with #.`,
        );
      }
      values[match[1]] = value;
    });
  return values;
}

/**
 * @param {string} raw what stands after `=`, trimmed
 * @returns {string | undefined} undefined where a quote is not closed or something follows it
 */
function parseValue(raw) {
  const quote = raw[0];
  if (quote !== '"' && quote !== "'") return raw.replace(/(^|\s+)#.*$/, '').trim();
  const pattern = quote === '"' ? /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/ : /^'([^']*)'\s*(?:#.*)?$/;
  const inner = pattern.exec(raw)?.[1];
  return quote === '"' ? inner?.replace(/\\(.)/g, unescape) : inner;
}

/**
 * @param {string} whole
 * @param {string} letter
 */
function unescape(whole, letter) {
  return { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' }[letter] ?? whole;
}
