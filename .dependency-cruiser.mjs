/**
 * Who may import whom. Each folder lists what it may see; whatever is not listed is refused.
 * `types` are modules that may be imported with `import type` only.
 */
const FOLDERS = {
  domain: { sees: [] },
  config: { sees: [] },
  observability: { sees: ['domain'] },
  host: { sees: [] },
  storage: { sees: ['domain', 'host', 'observability'] },
  media: { sees: ['domain', 'host', 'observability'] },
  db: { sees: ['domain', 'observability'] },
  temporal: { sees: ['domain', 'observability', 'workflows/messages.ts'] },
  activities: {
    sees: ['domain', 'storage', 'media', 'db', 'temporal', 'observability'],
    types: ['workflows'],
  },
  workflows: { sees: ['domain'], types: ['activities/contracts.ts'] },
  usecases: {
    sees: ['domain', 'storage', 'db', 'temporal', 'workflows/messages.ts', 'observability'],
    types: ['workflows'],
  },
  api: { sees: ['usecases', 'domain', 'observability'] },
  stack: { sees: ['config', 'host', 'observability'] },
};

/** Programs: the only ones that see the settings and the wiring. Nobody imports them. */
const MAINS =
  '^src/(api/server|workers/((orchestration|media)-)?worker|stack/main|cli/[^/]+)\\.ts$';

/** Where a package or built-in belongs; everybody else goes through that folder. */
const OWNED = [
  { what: '^(@mikro-orm|pg$)', path: 'node_modules/(@mikro-orm|pg)/', owners: 'db|stack' },
  { what: 'hono', path: 'node_modules/(@hono|hono)/', owners: 'api' },
  { what: 'child_process', path: '^(node:)?child_process$', owners: 'media|stack|cli' },
  { what: 'fluent-ffmpeg', path: 'node_modules/fluent-ffmpeg/', owners: 'media' },
];

const inFolder = (name) => (name.includes('.') ? `^src/${name}$` : `^src/${name}/`);

const folderRules = Object.entries(FOLDERS).flatMap(([folder, { sees, types = [] }]) => {
  const allowed = [folder, ...sees];
  return [
    {
      name: `${folder}-sees`,
      comment: `src/${folder} may import ${sees.join(', ') || 'nothing else of ours'}.`,
      severity: 'error',
      from: { path: inFolder(folder), pathNot: MAINS },
      to: { path: '^src/', pathNot: [...allowed, ...types].map(inFolder) },
    },
    ...types.map((name) => ({
      name: `${folder}-sees-types-of-${name.replace(/\W.*/, '')}`,
      comment: `src/${folder} may import ${name} with \`import type\` only.`,
      severity: 'error',
      from: { path: inFolder(folder) },
      to: {
        path: inFolder(name),
        pathNot: allowed.map(inFolder),
        dependencyTypesNot: ['type-only'],
      },
    })),
  ];
});

const ownerRules = OWNED.map(({ what, path, owners }) => ({
  name: `${what.replace(/\W/g, '')}-stays-home`,
  comment: `Only src/{${owners}} may use ${what}.`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/(${owners})/` },
  to: { path },
}));

export default {
  forbidden: [
    ...folderRules,
    ...ownerRules,
    {
      name: 'no-cycle',
      comment: 'Modules that need each other at run time are one module.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'nobody-imports-a-main',
      comment: 'A main runs when it is imported.',
      severity: 'error',
      from: { path: '^(src|scripts|test)/' },
      to: { path: MAINS },
    },
    {
      name: 'composition-and-settings-for-mains',
      comment: 'Values come in as dependencies; only mains read settings and wire adapters.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [MAINS, '^src/composition\\.ts$', '^src/(composition|config|stack|workers)/'],
      },
      to: { path: '^src/(composition(\\.ts$|/)|config/)' },
    },
    {
      name: 'domain-is-pure',
      comment: 'No packages and no I/O in the domain.',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { pathNot: '^src/domain/' },
    },
    {
      name: 'workflows-are-deterministic',
      comment: 'Workflow code runs in a sandbox: no built-ins, no packages but these two.',
      severity: 'error',
      from: { path: '^src/workflows/' },
      to: { pathNot: ['^src/', 'node_modules/@temporalio/(workflow|common)/'] },
    },
    {
      name: 'no-tests-in-the-product',
      severity: 'error',
      from: { path: '^(src|scripts)/' },
      to: { path: '^test/' },
    },
    {
      name: 'not-to-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(data|\\.cache|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
