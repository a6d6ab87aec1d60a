import { Problem, readJson, UNREACHABLE } from './api.js';
import { byId, show } from './dom.js';
import { bytes, duration } from './words.js';

/**
 * The upload form: a file by choice or drop, a title, real progress, and a way to stop.
 * @param {{ onUploaded: (video: any) => void, announce: (text: string) => void }} handlers
 */
export function createUpload({ onUploaded, announce }) {
  const fileInput = byId('file');
  const titleInput = byId('title');
  /** @type {XMLHttpRequest | undefined} */
  let running;

  fileInput.addEventListener('change', showFile);
  acceptDrops(byId('drop'), fileInput, showFile);
  byId('upload-stop').addEventListener('click', () => running?.abort());
  addEventListener('beforeunload', (event) => running && event.preventDefault());
  byId('upload-form').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    const [file] = fileInput.files;
    if (file && !running) void upload(file);
  });

  function showFile() {
    const [file] = fileInput.files;
    byId('file-name').textContent = file ? `${file.name} · ${bytes(file.size)}` : 'Choose a file';
    show('upload-fault', '');
  }

  /** @param {File} file */
  async function upload(file) {
    const form = new FormData();
    // Fields first: the server has read them when the file begins.
    if (titleInput.value.trim() !== '') form.append('title', titleInput.value.trim());
    form.append('video', file);
    setBusy(true);
    announce(`Uploading ${file.name}`);
    running = new XMLHttpRequest();
    try {
      const video = await send(running, form, createMeter(announce));
      finish();
      byId('upload-form').reset();
      showFile();
      announce(`${video.title} is uploaded`);
      onUploaded(video);
    } catch (problem) {
      finish();
      show('upload-fault', /** @type {Error} */ (problem).message);
      byId('upload-start').focus();
    }
  }

  function finish() {
    running = undefined;
    setBusy(false);
  }

  /** @param {boolean} isBusy */
  function setBusy(isBusy) {
    byId('upload-progress').hidden = !isBusy;
    byId('upload-form').inert = isBusy;
    byId('upload-start').disabled = isBusy;
    if (isBusy) show('upload-fault', '');
    if (isBusy) byId('upload-stop').focus();
  }

  return { stop: () => running?.abort() };
}

/**
 * XMLHttpRequest, since `fetch` does not tell how much of a body has been sent.
 * @param {XMLHttpRequest} request
 * @param {FormData} form
 * @param {(sent: number, total: number) => void} onProgress
 * @returns {Promise<any>} the video
 */
function send(request, form, onProgress) {
  return new Promise((resolve, reject) => {
    request.upload.addEventListener('progress', ({ loaded, total }) => onProgress(loaded, total));
    request.addEventListener('load', () => {
      const answer = readJson(request.responseText);
      if (request.status === 201 && answer) resolve(answer);
      else reject(new Problem(answer ?? { status: request.status }));
    });
    request.addEventListener('error', () =>
      reject(
        new Problem({
          ...UNREACHABLE,
          title: 'The connection was lost, and nothing was kept: upload it again',
        }),
      ),
    );
    request.addEventListener('abort', () =>
      reject(new Problem({ title: 'Stopped; nothing was kept' })),
    );
    request.open('POST', '/videos/upload/');
    request.send(form);
  });
}

/** Shows how far an upload is; says each quarter aloud. @param {(text: string) => void} announce */
function createMeter(announce) {
  const startedAt = performance.now();
  let quarter = 0;
  const meter = (/** @type {number} */ sent, /** @type {number} */ total) => {
    const fraction = total > 0 ? sent / total : 0;
    byId('upload-bar').value = fraction;
    byId('upload-words').textContent =
      fraction < 1
        ? describe(sent, total, startedAt)
        : 'Everything is sent; the server is storing it';
    if (Math.floor(fraction * 4) <= quarter) return;
    quarter = Math.floor(fraction * 4);
    announce(`${quarter * 25} percent uploaded`);
  };
  meter(0, 1);
  return meter;
}

/** @param {number} sent @param {number} total @param {number} startedAt */
function describe(sent, total, startedAt) {
  const seconds = (performance.now() - startedAt) / 1000;
  const percent = `${Math.floor((sent / total) * 100)} %`;
  if (sent === 0 || seconds < 1) return `Uploading · ${percent}`;
  const speed = sent / seconds;
  return `Uploading · ${percent} · ${bytes(sent)} of ${bytes(total)} · ${bytes(speed)}/s · ${duration((total - sent) / speed)} left`;
}

/**
 * Lets a file be dropped on `zone`; elsewhere a drop does nothing, and does not leave the page.
 * @param {HTMLElement} zone
 * @param {HTMLInputElement} input
 * @param {() => void} onDropped
 */
function acceptDrops(zone, input, onDropped) {
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => event.preventDefault());
  for (const type of ['dragenter', 'dragover'])
    zone.addEventListener(type, () => zone.classList.add('over'));
  for (const type of ['dragleave', 'drop'])
    zone.addEventListener(type, () => zone.classList.remove('over'));
  zone.addEventListener('drop', (event) => {
    const files = event.dataTransfer?.files;
    if (!files || files.length === 0) return;
    if (files.length > 1) return show('upload-fault', 'One file at a time, please.');
    input.files = files;
    onDropped();
  });
}
