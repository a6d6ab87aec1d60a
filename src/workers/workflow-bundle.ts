import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  isMainThread,
  parentPort,
  threadId,
  Worker as Thread,
  workerData,
} from 'node:worker_threads';

const SOURCE_ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What the bundle is made of; the lock file stands for the SDK's version. */
const INGREDIENTS = ['workflows', 'domain', 'activities/contracts.ts', '../package-lock.json'];

/** It needs more than the process around it. */
const BUNDLER_HEAP = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 512 };

/**
 * The workflow code as one file, made once for each state of the sources and kept.
 *
 * Made in a thread of its own: the bundler takes 150 MB, which go back with the thread.
 * @param cacheDir absolute
 * @returns absolute path of the bundle
 */
export async function prepareWorkflowBundle(cacheDir: string): Promise<string> {
  const bundlePath = path.join(cacheDir, `workflows-${await hashIngredients()}.js`);
  if (await exists(bundlePath)) return bundlePath;
  await mkdir(cacheDir, { recursive: true });
  await removeOlder(bundlePath);
  await bundleInThread(bundlePath);
  return bundlePath;
}

async function hashIngredients(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of INGREDIENTS) {
    const root = path.join(SOURCE_ROOT, name);
    const isFolder = (await stat(root)).isDirectory();
    const files = isFolder
      ? (await readdir(root)).toSorted().map((file) => path.join(root, file))
      : [root];
    for (const file of files)
      hash.update(file.slice(SOURCE_ROOT.length)).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 16);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** Not the one that is about to be made: another process may just have made it. */
async function removeOlder(bundlePath: string): Promise<void> {
  const cacheDir = path.dirname(bundlePath);
  const old = (await readdir(cacheDir))
    .filter((name) => /^workflows-.*\.js$/.test(name))
    .map((name) => path.join(cacheDir, name))
    .filter((file) => file !== bundlePath);
  await Promise.all(old.map((file) => rm(file, { force: true })));
}

function bundleInThread(bundlePath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Thread(new URL(import.meta.url), {
      workerData: { bundlePath },
      resourceLimits: BUNDLER_HEAP,
    });
    thread.once('message', () => resolve());
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`the workflow bundler ended with ${code}`)));
  });
}

async function bundle(bundlePath: string): Promise<void> {
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(SOURCE_ROOT, 'workflows/index.ts'),
    payloadConverterPath: path.join(SOURCE_ROOT, 'workflows/payload-converter.ts'),
    logger: new DefaultLogger('WARN'),
  });
  const partial = `${bundlePath}.${process.pid}-${threadId}.part`;
  await writeFile(partial, code);
  await rename(partial, bundlePath);
}

if (!isMainThread) {
  await bundle((workerData as { bundlePath: string }).bundlePath);
  parentPort?.postMessage('made');
}
