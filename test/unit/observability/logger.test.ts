import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createLogger } from '../../../src/observability/logger.ts';

const SECRET = 'vk_do_not_write_me';

describe('createLogger', () => {
  it.each(['json', 'pretty'] as const)(
    'leaves credentials out of %s lines, wherever they stand',
    (format) => {
      let written = '';
      const destination = new Writable({
        write(chunk, _encoding, done) {
          written += String(chunk);
          done();
        },
      });
      const logger = createLogger({ level: 'info', format, name: 'test', destination });
      logger.info({ password: SECRET, videoId: 42 }, 'said');
      logger.info(
        { headers: { authorization: SECRET, cookie: SECRET, 'set-cookie': SECRET } },
        'said',
      );
      logger.info({ request: { body: { token: SECRET, apiKey: SECRET } } }, 'said');
      expect(written).not.toContain(SECRET);
      expect(written).toContain('42');
    },
  );

  it('writes one JSON object a line for machines', () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    createLogger({ level: 'info', format: 'json', name: 'api', destination }).info(
      { videoId: 42 },
      'started',
    );
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ name: 'api', msg: 'started', videoId: 42 });
  });
});
