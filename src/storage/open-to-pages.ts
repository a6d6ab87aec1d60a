import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../observability/logger.ts';
import type { S3Store } from './s3-store.ts';

const ASK_AGAIN_MS = 60_000;

/**
 * Lets pages at `origin` read what they are sent to, or tells the operator what to set. A store that is away is asked again and
 * again; that holds no process open.
 * @param allowPages undefined where no viewer is ever sent to the store
 */
export async function openToPages(
  allowPages: S3Store['allowPages'] | undefined,
  origin: string,
  logger: Logger,
): Promise<void> {
  for (;;) {
    try {
      const found = await allowPages?.(origin);
      if (found?.access === 'refused') logger.warn(found.sentence);
      if (found?.access === 'set')
        logger.info('pages may read from the bucket: a CORS rule was added');
      return;
    } catch (error) {
      logger.debug({ err: error }, 'the CORS rules of the bucket are not known yet');
      await delay(ASK_AGAIN_MS, undefined, { ref: false });
    }
  }
}
