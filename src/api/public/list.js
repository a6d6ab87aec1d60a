import { ask } from './api.js';
import { byId } from './dom.js';
import { clock, describeFailure, describeStatus, isUnfinished } from './words.js';

/** @typedef {import('./words.js').Video} Video */

/**
 * The list of one's own videos, newest first.
 * @param {{ onOpen: (id: number) => void, onLoaded: (video: Video) => void }} handlers
 */
export function createList({ onOpen, onLoaded }) {
  const list = byId('list');
  /** @type {Map<number, HTMLElement>} */
  const items = new Map();
  let ownerId = 0;
  /** @type {string | null} */
  let nextCursor = null;
  let openId = 0;

  /** @param {string | null} cursor */
  async function load(cursor) {
    const query = new URLSearchParams({
      limit: '20',
      ownerId: String(ownerId),
      ...(cursor && { cursor }),
    });
    const page = await ask('GET', `/videos?${query}`);
    if (cursor === null) clear();
    nextCursor = page.nextCursor;
    for (const video of page.data) {
      put(video, 'last');
      onLoaded(video);
    }
    tidy();
  }

  /** @param {Video} video @param {'first' | 'last'} place where a new one goes */
  function put(video, place) {
    let item = items.get(video.id);
    if (!item) {
      item = makeItem(video, onOpen);
      items.set(video.id, item);
      if (place === 'first') list.prepend(item);
      else list.append(item);
    }
    render(item, video);
    mark(video.id, item);
    tidy();
  }

  /** @param {number} id @param {HTMLElement} item */
  function mark(id, item) {
    item.querySelector('a')?.setAttribute('aria-current', String(id === openId));
  }

  function clear() {
    items.clear();
    list.replaceChildren();
  }

  function tidy() {
    byId('videos-empty').hidden = items.size > 0;
    byId('more').hidden = nextCursor === null;
  }

  return {
    /** @param {number} owner */
    async start(owner) {
      ownerId = owner;
      await load(null);
    },
    refresh: () => load(null),
    more: () => load(nextCursor),
    /** @param {Video} video */
    add: (video) => put(video, 'first'),
    /** Nothing happens for a video that is not listed. @param {Video} video */
    update: (video) => void (items.has(video.id) && put(video, 'last')),
    /** @param {number} id */
    remove(id) {
      items.get(id)?.remove();
      items.delete(id);
      tidy();
    },
    /** @param {number} id 0: none */
    setOpen(id) {
      openId = id;
      for (const [each, item] of items) mark(each, item);
    },
    clear,
  };
}

/** @param {Video} video @param {(id: number) => void} onOpen @returns {HTMLElement} */
function makeItem(video, onOpen) {
  const item = byId('item-template').content.firstElementChild.cloneNode(true);
  const link = item.querySelector('a');
  link.href = `/?video=${video.id}`;
  link.addEventListener('click', (/** @type {MouseEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
    event.preventDefault();
    onOpen(video.id);
  });
  return item;
}

/** @param {any} item @param {Video} video */
function render(item, video) {
  const find = (/** @type {string} */ selector) => item.querySelector(selector);
  setText(find('.item-title'), video.title);
  setText(find('.item-status'), describeStatus(video));
  item.dataset.status = isUnfinished(video) ? 'processing' : video.status;
  const bar = find('progress');
  bar.hidden = !isUnfinished(video);
  bar.value = video.progressPercent;
  bar.setAttribute('aria-label', `Progress of ${video.title}`);
  setText(find('.item-failure'), describeFailure(video) ?? '');
  find('.item-failure').hidden = describeFailure(video) === null;
  setText(
    find('.length'),
    video.durationSeconds === null ? '' : clock(Math.max(1, video.durationSeconds)),
  );
  find('.length').hidden = video.durationSeconds === null;
  const image = find('img');
  const source = video.thumbnailUrl && `${video.thumbnailUrl}?v=${video.version}`;
  image.hidden = !source;
  if (source && image.getAttribute('src') !== source) image.src = source;
}

/** @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
