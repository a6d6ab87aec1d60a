import { byId } from './dom.js';
import { clock } from './words.js';

/** @typedef {import('./words.js').Video} Video */
/** @typedef {{ from: number, to: number, sheet: string, x: number, y: number, width: number, height: number }} Cue */

/** Of the knob, as style.css makes it: its middle goes from one half of it to the other. */
const KNOB_PX = 16;
const MOST_STEPS = 300;
const SHORTEST_STEP_SECONDS = 0.1;

/**
 * The bar below the player. Over it, and while it is moved, the storyboard shows where it would lead; pictures are fetched when
 * they are first wanted.
 * @param {HTMLVideoElement} player
 */
export function createSeek(player) {
  const bar = byId('seek-bar');
  const preview = byId('preview');
  /** @type {{ address: string, cues: Promise<Cue[]> | undefined }} */
  let storyboard = { address: '', cues: undefined };
  let isMoving = false;

  player.addEventListener('timeupdate', () => {
    if (!isMoving) move(player.currentTime);
  });
  player.addEventListener('seeking', () => {
    if (!isMoving) move(player.currentTime);
  });
  bar.addEventListener('input', () => {
    isMoving = true;
    player.currentTime = Number(bar.value);
    move(Number(bar.value));
    void showAt(Number(bar.value));
  });
  bar.addEventListener('change', () => {
    isMoving = false;
  });
  bar.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    const { left, width } = bar.getBoundingClientRect();
    const fraction = (event.clientX - left - KNOB_PX / 2) / Math.max(1, width - KNOB_PX);
    void showAt(Math.min(1, Math.max(0, fraction)) * Number(bar.max));
  });
  for (const end of ['pointerleave', 'pointercancel', 'blur']) bar.addEventListener(end, hide);

  /** @param {number} seconds */
  function move(seconds) {
    bar.value = seconds;
    bar.ariaValueText = clock(seconds);
  }

  /** @param {number} seconds */
  async function showAt(seconds) {
    const { address } = storyboard;
    if (address === '') return;
    storyboard.cues ??= fetchCues(address).catch(() => []); // pictures are a help, no need
    const cues = await storyboard.cues;
    const cue = cues.find(({ to }) => seconds < to) ?? cues.at(-1);
    if (cue === undefined || storyboard.address !== address) return;
    const picture = byId('preview-picture');
    picture.style.width = `${cue.width}px`;
    picture.style.height = `${cue.height}px`;
    picture.style.backgroundImage = `url("${cue.sheet}")`;
    picture.style.backgroundPosition = `-${cue.x}px -${cue.y}px`;
    byId('preview-time').textContent = clock(seconds);
    preview.hidden = false;
    place(seconds);
  }

  /** Above the point that it shows, and never beyond an end of the bar. @param {number} seconds */
  function place(seconds) {
    const width = bar.clientWidth;
    const at = KNOB_PX / 2 + (seconds / Number(bar.max)) * (width - KNOB_PX);
    const half = preview.offsetWidth / 2;
    preview.style.left = `${Math.max(0, Math.min(width - 2 * half, at - half))}px`;
  }

  function hide() {
    preview.hidden = true;
  }

  /** @param {Video} video */
  function render(video) {
    byId('seek').hidden = !video.playable;
    bar.max = video.durationSeconds ?? 0;
    bar.step = Math.max(SHORTEST_STEP_SECONDS, Number(bar.max) / MOST_STEPS);
    const address = video.storyboardUrl ? `${video.storyboardUrl}?v=${video.version}` : '';
    if (storyboard.address === address) return;
    storyboard = { address, cues: undefined };
    move(player.currentTime);
    hide();
  }

  return { render };
}

/** @param {string} address @returns {Promise<Cue[]>} in the order of time */
async function fetchCues(address) {
  const response = await fetch(address);
  if (!response.ok) return [];
  return readCues(await response.text());
}

/** The cues of a storyboard as this server writes them. @param {string} vtt @returns {Cue[]} */
function readCues(vtt) {
  const pattern = /^([\d:.]+) --> ([\d:.]+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$/gm;
  return [...vtt.matchAll(pattern)].map(([, from = '', to = '', sheet = '', ...part]) => {
    const [x = 0, y = 0, width = 0, height = 0] = part.map(Number);
    return { from: seconds(from), to: seconds(to), sheet, x, y, width, height };
  });
}

/** @param {string} text `01:02:03.500` */
function seconds(text) {
  return text.split(':').reduce((sum, each) => sum * 60 + Number(each), 0);
}
