import { byId, show } from './dom.js';
import { createSeek } from './seek.js';
import { bitrate, bytes, clock, describeFailure, describeStatus, isUnfinished } from './words.js';

/** @typedef {import('./words.js').Video} Video */

/** What plays first: enough for most windows, and light on the line. */
const FIRST_QUALITY = '720p';

/**
 * One video: player, qualities, pictures that jump, progress, and what can be done with it. Rendered again whenever something
 * is new; what is being watched is not disturbed by that.
 * @param {{ onCancel: (video: Video) => unknown, onReprocess: (video: Video) => unknown, onDelete: (video: Video) => unknown }} handlers
 */
export function createPanel({ onCancel, onReprocess, onDelete }) {
  const player = byId('player');
  const quality = byId('quality');
  const seek = createSeek(player);
  /** The one that is shown, if one is. @type {Video} */
  let video;

  quality.addEventListener('change', () => play(sourceOf(video, quality.value)));
  player.addEventListener('error', () => {
    if (player.getAttribute('src'))
      show(
        'panel-failure',
        'This quality cannot be played now. Choose another, or open the video again.',
      );
  });
  byId('cancel').addEventListener('click', () => onCancel(video));
  byId('reprocess').addEventListener('click', () => onReprocess(video));
  byId('delete').addEventListener('click', () => onDelete(video));

  /** @param {Video} next */
  function render(next) {
    const isOther = video?.id !== next.id;
    const isNewVersion = isOther || video?.version !== next.version;
    video = next;
    byId('panel').hidden = false;
    show('panel-title', video.title);
    if (isNewVersion) renderPlayer(video, { isOther });
    renderProgress(video);
    show('panel-failure', describeFailure(video));
    show(
      'panel-warning',
      video.warnings.map((/** @type {any} */ warning) => warning.detail).join(' '),
    );
    byId('panel-facts').textContent = describeFacts(video);
    renderActions(video);
  }

  /** @param {Video} next @param {{ isOther: boolean }} how */
  function renderPlayer(next, { isOther }) {
    const isPlayable = next.playable;
    player.hidden = !isPlayable;
    byId('player-tools').hidden = !isPlayable;
    renderStrip(next);
    seek.render(next);
    if (!isPlayable) return unload();
    const wanted = isOther ? FIRST_QUALITY : quality.value;
    quality.replaceChildren(
      ...listQualities(next).map(({ value, label }) => new Option(label, value)),
    );
    const values = next.streams.map((/** @type {any} */ stream) => stream.quality);
    quality.value = values.includes(wanted) ? wanted : values[0];
    player.poster = next.thumbnailUrl ? `${next.thumbnailUrl}?v=${next.version}` : '';
    if (isOther) unload();
    play(sourceOf(next, quality.value));
  }

  /** Goes on where the viewer is, in the state in which they are. @param {string} source */
  function play(source) {
    const { currentTime, paused, playbackRate } = player;
    const isSame = player.getAttribute('src') !== null;
    byId('download').href = source;
    byId('download').download = `${video?.title ?? 'video'} ${quality.value}.mp4`;
    player.src = source;
    if (!isSame) return;
    player.playbackRate = playbackRate;
    player.currentTime = currentTime; // kept by the player until it knows the length
    if (!paused) player.play().catch(() => undefined);
  }

  function unload() {
    if (player.getAttribute('src') === null) return;
    player.pause();
    player.removeAttribute('src');
    player.load(); // lets go of the connection
  }

  /** @param {Video} shown */
  function renderStrip(shown) {
    const buttons = shown.thumbnails.map((/** @type {any} */ thumbnail) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'shot';
      const image = new Image();
      image.src = `${thumbnail.url}?v=${shown.version}`;
      image.alt = `Jump to ${clock(thumbnail.timestampSeconds)}`;
      const label = document.createElement('span');
      label.textContent = clock(thumbnail.timestampSeconds);
      label.ariaHidden = 'true';
      button.append(image, label);
      button.addEventListener('click', () => {
        player.currentTime = thumbnail.timestampSeconds;
      });
      const place = document.createElement('li');
      place.append(button);
      return place;
    });
    byId('strip').replaceChildren(...buttons);
    byId('strip').hidden = buttons.length === 0 || !shown.playable;
  }

  return {
    render,
    focus: () => byId('panel-title').focus(),
    current: () => video,
    close() {
      video = undefined;
      unload();
      byId('panel').hidden = true;
    },
  };
}

/** @param {Video} video */
function renderProgress(video) {
  const unfinished = isUnfinished(video);
  byId('panel-progress').hidden = !unfinished;
  byId('panel-status').textContent = describeStatus(video);
  byId('panel-bar').value = video.progressPercent;
  show(
    'stage-note',
    video.playable ? '' : (describeIdle(video) ?? 'It can be watched once this is done'),
  );
}

/** @param {Video} video */
function describeIdle(video) {
  return isUnfinished(video) ? null : `${describeStatus(video)}: there is nothing to watch`;
}

/** @param {Video} video */
function renderActions(video) {
  const unfinished = isUnfinished(video);
  byId('cancel').hidden = !unfinished;
  byId('reprocess').hidden = unfinished || !(video.original.available || video.playable);
  byId('reprocess').textContent = video.status === 'completed' ? 'Process again' : 'Try again';
}

/** @param {Video} video @returns {{ value: string, label: string }[]} */
function listQualities(video) {
  const streams = video.streams.map((/** @type {any} */ stream) => ({
    value: stream.quality,
    label: `${stream.quality} · ${stream.widthPx}×${stream.heightPx} · ${bitrate(stream.bitrateBps)}`,
  }));
  return video.compressedUrl === null
    ? streams
    : [...streams, { value: 'compressed', label: 'Compressed (the largest)' }];
}

/** The version is only there so that no player mixes the bytes of two. @param {Video} video @param {string} quality */
function sourceOf(video, quality) {
  const stream = video.streams.find((/** @type {any} */ each) => each.quality === quality);
  return `${stream?.url ?? video.compressedUrl}?v=${video.version}`;
}

/** @param {Video} video */
function describeFacts(video) {
  const { original, durationSeconds, widthPx, heightPx, frameRate } = video;
  const facts = [
    original.fileName,
    original.available ? bytes(original.sizeBytes) : 'original not kept',
    durationSeconds && clock(Math.max(1, durationSeconds)),
    widthPx && `${widthPx}×${heightPx}`,
    frameRate && `${Number(frameRate.toFixed(2))} frames/s`,
    `uploaded ${new Date(video.createdAt).toLocaleString()}`,
    video.version > 1 && `version ${video.version}`,
  ];
  return facts.filter(Boolean).join(' · ');
}
