/**
 * An element of index.html, which is always there.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element #${id}`);
  return element;
}

/** Shows a text, or hides its element where there is none. @param {string} id @param {string | null} text */
export function show(id, text) {
  const element = byId(id);
  if (element.textContent !== (text ?? '')) element.textContent = text ?? '';
  element.hidden = !text;
}

/**
 * Asks before something is done that cannot be undone.
 * @param {{ question: string, detail: string, yes: string, isDangerous?: boolean }} words
 * @returns {Promise<boolean>}
 */
export function confirm({ question, detail, yes, isDangerous = false }) {
  const dialog = byId('confirm');
  byId('confirm-question').textContent = question;
  byId('confirm-detail').textContent = detail;
  byId('confirm-yes').textContent = yes;
  byId('confirm-yes').classList.toggle('dangerous', isDangerous);
  byId('confirm-yes').onclick = () => dialog.close('yes');
  byId('confirm-no').onclick = () => dialog.close('no');
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
