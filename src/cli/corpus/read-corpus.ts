import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CommandProblem } from '../client/problem.ts';

/** What must become of a file: a video, a refusal, or either, as long as it is one of the two. */
export type Wanted = 'accept' | 'reject' | 'any';

/** One file to upload. */
export interface CorpusCase {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly wanted: Wanted;
}

const MANIFEST = 'manifest.tsv';
/** What lies beside media and is none. */
const NOT_MEDIA = /^\.|\.(?:md|sh|tsv|txt)$/i;

/**
 * The files of a folder, by name. Where it has a `manifest.tsv` (`file <tab> accept|reject|any <tab> why`), those that stand in it.
 * @throws CommandProblem where the folder, a file of the manifest or a line of it is not right
 */
export function readCorpus(folder: string): readonly CorpusCase[] {
  const names = listFiles(folder);
  const wishes = names.includes(MANIFEST)
    ? parseManifest(readFileSync(join(folder, MANIFEST), 'utf8'))
    : names
        .filter((name) => !NOT_MEDIA.test(name))
        .map((name) => ({ name, wanted: 'any' as const }));
  if (wishes.length === 0) throw new CommandProblem(`${folder} has no files to upload.`);
  return wishes
    .map(({ name, wanted }) => {
      if (!names.includes(name)) throw new CommandProblem(`${join(folder, name)} is missing.`);
      const path = join(folder, name);
      return { name, path, sizeBytes: statSync(path).size, wanted };
    })
    .toSorted((a, b) => a.name.localeCompare(b.name));
}

function listFiles(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  } catch (error) {
    throw new CommandProblem(`${folder} is not a folder that can be read.`, { cause: error });
  }
}

/** @throws CommandProblem that names the line */
export function parseManifest(text: string): readonly { name: string; wanted: Wanted }[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [name = '', wanted = ''] = line.split('\t');
    if (!isWanted(wanted) || name === '' || name.includes('/')) {
      throw new CommandProblem(
        `Line ${index + 1} of ${MANIFEST} is not: file, tab, accept or reject or any.`,
      );
    }
    return [{ name, wanted }];
  });
}

function isWanted(text: string): text is Wanted {
  return text === 'accept' || text === 'reject' || text === 'any';
}
