/** Turns figures and codes into what people read. Pure. */

/** @type {Record<string, string>} */
const STAGES = {
  'waiting-for-slot': 'Waiting for its turn',
  'waiting-for-disk': 'Waiting for free disk space',
  'waiting-for-memory': 'Waiting for free memory',
  'waiting-for-platform': 'Waiting for the server',
  probe: 'Looking at the file',
  convert: 'Preparing',
  compress: 'Encoding',
  ladder: 'Packing the qualities',
  thumbnails: 'Taking pictures',
  publish: 'Publishing',
};

/** @type {Record<string, string>} */
const ENDS = { completed: 'Ready', failed: 'Failed', cancelled: 'Cancelled' };

/** @typedef {any} Video a video as the server shows it */

/** True while a run works on the video, or one is still to begin. @param {Video} video */
export function isUnfinished(video) {
  return ['pending', 'processing'].includes(video.status) || video.lastRun?.state === 'active';
}

/** One line that says where a video stands. @param {Video} video */
export function describeStatus(video) {
  if (!isUnfinished(video)) return ENDS[video.status] ?? video.status;
  const stage = STAGES[video.stage] ?? 'Waiting for its turn';
  const left = video.etaSeconds === null ? '' : ` · about ${duration(video.etaSeconds)} left`;
  const percent = video.progressPercent > 0 ? ` · ${Math.floor(video.progressPercent)} %` : '';
  return `${stage}${percent}${left}`;
}

/**
 * The sentence of a failure. A video that is live in an older version says so.
 * @param {Video} video
 * @returns {string | null}
 */
export function describeFailure(video) {
  if (isUnfinished(video)) return null;
  const failure =
    video.failure ?? (video.lastRun?.state === 'failed' ? video.lastRun.failure : null);
  if (failure === null) return null;
  const sentence = failure.detail === '' ? failure.title : failure.detail;
  return video.status === 'completed'
    ? `The last run failed, the earlier version stays: ${sentence}`
    : sentence;
}

/** @param {number} seconds `1:05`, `1:01:05` */
export function clock(seconds) {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(s).padStart(2, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${tail}` : `${m}:${tail}`;
}

/** @param {number} seconds roughly, for waiting */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {number} count three digits, such as `4.74 MB` */
export function bytes(count) {
  if (count < 1e3) return `${count} bytes`;
  const [size, unit] = count >= 1e9 ? [1e9, 'GB'] : count >= 1e6 ? [1e6, 'MB'] : [1e3, 'kB'];
  return `${Number((count / size).toPrecision(3))} ${unit}`;
}

/** @param {number} bitsPerSecond */
export function bitrate(bitsPerSecond) {
  return bitsPerSecond >= 1e6
    ? `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`
    : `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}
