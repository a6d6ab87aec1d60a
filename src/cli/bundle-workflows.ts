import path from 'node:path';
import { PROJECT_ROOT } from '../config/env.ts';
import { prepareWorkflowBundle } from '../workers/workflow-bundle.ts';

/** Makes the workflow bundle beforehand, so that a worker in production starts without the bundler. */
const bundlePath = await prepareWorkflowBundle(path.join(PROJECT_ROOT, '.cache'));
process.stdout.write(`${path.relative(PROJECT_ROOT, bundlePath)}\n`);
