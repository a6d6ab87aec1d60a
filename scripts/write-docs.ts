import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type SettingName, SETTINGS } from '../src/config/settings.ts';
import { type ErrorCode, ERRORS } from '../src/domain/errors.ts';
import { type Fault, FAULTS } from '../src/domain/faults.ts';

/**
 * `npm run docs`: writes the pages of docs/ that are tables of the code. A unit test sees that they are up to date.
 */

/** The page about error codes: one section for each fault, one heading for each code. */
export function renderErrors(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  const sections = (Object.keys(FAULTS) as Fault[]).flatMap((fault) => [
    `## Fault: ${fault}`,
    FAULTS[fault].meaning,
    FAULTS[fault].run,
    ...codes.filter((code) => ERRORS[code].fault === fault).map(renderError),
  ]);
  return page(
    'Errors',
    'src/domain/errors.ts and src/domain/faults.ts',
    'A code is the same string everywhere: `code` in problem documents (RFC 9457) and in the `failure` of a video, failure type in\nTemporal, search attribute `VideoFailure`, `errorCode` in logs. A running server explains one at `/problems/<code>`. What a fault does to a run stands at the head of its\nsection.',
    sections,
  );
}

function renderError(code: ErrorCode): string {
  const { title, status, retry } = ERRORS[code];
  const again = retry === 'later' ? 'trying again may help' : 'the same attempt cannot succeed';
  return `### ${code}\n\n${title}. HTTP ${status}; ${again}.`;
}

/** The page about settings, in the order of the source. */
export function renderConfiguration(): string {
  const names = Object.keys(SETTINGS) as SettingName[];
  return page(
    'Configuration',
    'src/config/settings.ts',
    'Settings are environment variables, or lines of `.env` in the root of the checkout (`.env.example` is one to copy). A variable of\nthe environment wins. All mistakes are told at once when a program starts. Relative paths begin at the checkout.',
    names.map(renderSetting),
  );
}

function renderSetting(name: SettingName): string {
  const { description, unit, default: fallback, reason } = SETTINGS[name];
  return `## ${name}\n\n${description}\n\n- Value: ${unit}\n- Default: ${fallback}\n- Why: ${reason}`;
}

function page(title: string, source: string, introduction: string, parts: readonly string[]) {
  const note = `<!-- Written by \`npm run docs\` from ${source}: change that, not this. -->`;
  return `${[`# ${title}`, note, introduction, ...parts].join('\n\n')}\n`;
}

/** What is written where, by path from the root of the checkout. */
export const PAGES: readonly { readonly path: string; readonly render: () => string }[] = [
  { path: 'docs/errors.md', render: renderErrors },
  { path: 'docs/configuration.md', render: renderConfiguration },
];

if (import.meta.main) {
  for (const { path, render } of PAGES) {
    writeFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), render());
    process.stdout.write(`${path}\n`);
  }
}
