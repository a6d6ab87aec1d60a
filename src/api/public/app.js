import { ask, Problem, UNREACHABLE } from './api.js';
import { byId, confirm, show } from './dom.js';
import { createFollower } from './follow.js';
import { createList } from './list.js';
import { createPanel } from './panel.js';
import { createUpload } from './upload.js';
import { describeFailure, describeStatus, isUnfinished } from './words.js';

/**
 * The first page: log in, upload, see progress, watch. No build step and no framework: these files are what the browser runs.
 * `/?video=42` opens that video.
 */

/** @typedef {import('./words.js').Video} Video */

const follower = createFollower({ onChange: updated, onGone: gone, onProblem: report });
const list = createList({ onOpen: (id) => void visit(id), onLoaded: watch });
const panel = createPanel({ onCancel: cancel, onReprocess: reprocess, onDelete: remove });
const upload = createUpload({ onUploaded: uploaded, announce });

/** Code of the problem that is shown. */
let noticed = '';
/** How the videos had ended when they were last looked at. @type {Map<number, string>} */
const announced = new Map();

byId('key-form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  void logIn({ apiKey: byId('api-key').value.trim() });
});
byId('password-form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  void logIn({ email: byId('email').value.trim(), password: byId('password').value });
});
byId('log-out').addEventListener('click', () => void logOut());
byId('refresh').addEventListener('click', () => void guarded(list.refresh));
byId('more').addEventListener('click', () => void guarded(list.more));
byId('panel-close').addEventListener('click', (/** @type {Event} */ event) => {
  event.preventDefault();
  void visit(0);
});
addEventListener('popstate', () => void openAddress());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && !byId('home').hidden) void guarded(list.refresh);
});

await start();

async function start() {
  try {
    await showHome(await ask('GET', '/auth/me'));
  } catch (problem) {
    report(problem);
  }
}

/** @param {{ apiKey: string } | { email: string, password: string }} credentials */
async function logIn(credentials) {
  try {
    const user = await ask('POST', '/auth/log-in', credentials);
    byId('key-form').reset();
    byId('password-form').reset();
    show('notice', '');
    await showHome(user);
    if (panel.current() === undefined) byId('videos-heading').focus();
  } catch (problem) {
    show('notice', /** @type {Error} */ (problem).message);
  }
}

async function logOut() {
  upload.stop();
  await guarded(() => ask('POST', '/auth/log-out'));
  showLogin();
}

/** @param {{ id: number, email: string }} user */
async function showHome(user) {
  byId('login').hidden = true;
  byId('home').hidden = false;
  byId('account').hidden = false;
  byId('account-name').textContent = user.email;
  await guarded(() => list.start(user.id));
  await openAddress();
}

function showLogin() {
  follower.stop();
  panel.close();
  list.clear();
  byId('home').hidden = true;
  byId('account').hidden = true;
  byId('login').hidden = false;
  byId('login-heading').focus();
}

/** @param {number} id 0: none */
async function visit(id) {
  history.pushState(null, '', id === 0 ? '/' : `/?video=${id}`);
  await openAddress();
  if (id === 0) byId('videos-heading').focus();
  else if (panel.current() !== undefined) panel.focus();
}

/** Shows what the address asks for. */
async function openAddress() {
  const id = new URLSearchParams(location.search).get('video');
  show('notice', '');
  list.setOpen(Number(id ?? 0));
  byId('home').classList.toggle('with-panel', id !== null);
  document.title = 'Steadyreel';
  if (id === null) return panel.close();
  await guarded(async () => {
    const video = await ask('GET', `/videos/${encodeURIComponent(id)}`);
    render(video);
    watch(video);
    scrollTo({ top: 0 });
  });
  if (panel.current()?.id !== Number(id)) panel.close();
}

/** @param {Video} video */
function uploaded(video) {
  list.add(video);
  watch(video);
  void visit(video.id);
}

/** Follows a video from what is known of it. @param {Video} video */
function watch(video) {
  announced.set(video.id, ending(video));
  follower.follow(video);
}

/** @param {Video} video */
function updated(video) {
  if (noticed === UNREACHABLE.code) show('notice', (noticed = ''));
  list.update(video);
  if (panel.current()?.id === video.id) render(video);
  const end = ending(video);
  if (end !== '' && end !== announced.get(video.id)) {
    announce(`${video.title}: ${describeFailure(video) ?? describeStatus(video)}`);
  }
  announced.set(video.id, end);
}

/** Differs for each run that has ended; empty while one goes on. @param {Video} video */
function ending(video) {
  return isUnfinished(video) ? '' : `${video.status} ${video.lastRun?.startedAt}`;
}

/** @param {Video} video */
function render(video) {
  panel.render(video);
  list.update(video);
  document.title = `${video.title} · Steadyreel`;
}

/** @param {Video} video */
async function cancel(video) {
  const words = {
    question: `Stop processing “${video.title}”?`,
    detail: video.playable
      ? 'The published version stays.'
      : 'The uploaded file is kept, and can be processed again.',
    yes: 'Cancel processing',
  };
  if (await confirm(words)) await guarded(() => ask('POST', `/videos/${video.id}/cancel`));
}

/** @param {Video} video */
async function reprocess(video) {
  const words = {
    question: `Process “${video.title}” again?`,
    detail: [
      video.original.available
        ? 'All qualities are made anew from the original.'
        : 'The original was not kept: all qualities are made anew from the processed version.',
      video.playable && 'The published version stays until they are done.',
    ]
      .filter(Boolean)
      .join(' '),
    yes: 'Process again',
  };
  if (!(await confirm(words))) return;
  await guarded(async () => {
    await ask('POST', `/videos/${video.id}/reprocess`, {});
    follower.follow(video, { newRunExpected: true });
    announce('Processing starts');
  });
}

/** @param {Video} video */
async function remove(video) {
  const words = {
    question: `Delete “${video.title}”?`,
    detail: 'The original and everything made from it are removed. This cannot be undone.',
    yes: 'Delete for good',
    isDangerous: true,
  };
  if (!(await confirm(words))) return;
  await guarded(async () => {
    await ask('DELETE', `/videos/${video.id}`);
    announce(`${video.title} is deleted`);
    gone(video.id);
  });
}

/** @param {number} id */
function gone(id) {
  follower.forget(id);
  list.remove(id);
  if (panel.current()?.id === id) void visit(0);
}

/** Runs what may fail, and says so. @param {() => Promise<unknown>} work */
async function guarded(work) {
  try {
    await work();
  } catch (problem) {
    report(problem);
  }
}

/** @param {unknown} problem */
function report(problem) {
  if (!(problem instanceof Problem)) throw problem;
  const isLoggedOut = problem.status === 401;
  const wasLoggedIn = !byId('home').hidden;
  if (isLoggedOut) showLogin();
  if (isLoggedOut && !wasLoggedIn) return;
  noticed = problem.code;
  show('notice', isLoggedOut ? 'You were logged out. Log in again.' : problem.message);
}

/** Says something to those who listen to the page. @param {string} text */
function announce(text) {
  byId('announcer').textContent = text;
}
