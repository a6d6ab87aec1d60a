import { type DestinationStream, type Logger, pino } from 'pino';
import { build as buildPretty } from 'pino-pretty';

export type { Logger };

export interface LoggerOptions {
  readonly level: string;
  /** `pretty` for people, `json` for machines. */
  readonly format: 'pretty' | 'json';
  /** Which program writes: `api`, `worker`, … */
  readonly name: string;
  /** Where lines go; stdout if left out. */
  readonly destination?: DestinationStream;
}

/** What must never be written, wherever it stands in a logged object. */
const SECRET_KEYS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'passwordHash',
  'secret',
  'secretHash',
  'token',
  'apiKey',
];

/** Of no use to people, or in the message already. */
const PRETTY_IGNORES = 'pid,hostname,name,method,path,status';

/** A logger that leaves out credentials. Lines are written at once, so that none is lost when the process is killed. */
export function createLogger({ level, format, name, destination }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    redact: { paths: SECRET_KEYS.flatMap(redactionPaths), censor: '[left out]' },
  };
  if (format === 'json')
    return destination === undefined ? pino(options) : pino(options, destination);
  const pretty = buildPretty({
    singleLine: true,
    ignore: PRETTY_IGNORES,
    translateTime: 'SYS:HH:MM:ss',
    sync: true,
    ...(destination && { destination }),
  });
  return pino(options, pretty);
}

function redactionPaths(key: string): readonly string[] {
  const quoted = key.includes('-') ? `["${key}"]` : key;
  const join = key.includes('-') ? '' : '.';
  return [quoted, `*${join}${quoted}`, `*.*${join}${quoted}`];
}
