import type { HttpBindings } from '@hono/node-server';
import type { Logger } from '../observability/logger.ts';
import type { Viewer } from '../usecases/viewer.ts';

/** What a request carries from one handler to the next. */
export interface AppEnv {
  /** Node's own request and response; absent where a request is given to the app object directly. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    requestId: string;
    /** Writes `requestId` with every line. */
    logger: Logger;
    /** The peer, or whom a trusted proxy names. */
    clientAddress: string;
    /** `https://host` as the caller sees us. */
    origin: string;
    /** Set on every route that needs a login. */
    viewer: Viewer;
  };
}
