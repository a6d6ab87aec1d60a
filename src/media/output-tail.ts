/** The first lines name the cause, a flood follows: an eighth of the room is kept for the beginning. */
const HEAD_SHARE = 1 / 8;

/** Keeps the beginning and the end of a text of any length in limited memory. */
export class OutputTail {
  readonly #headLimit: number;
  readonly #tailLimit: number;
  #head = '';
  #tail = '';
  #isCut = false;

  constructor(limitBytes: number) {
    this.#headLimit = Math.floor(limitBytes * HEAD_SHARE);
    this.#tailLimit = limitBytes - this.#headLimit;
  }

  append(text: string): void {
    const room = this.#headLimit - this.#head.length;
    this.#head += text.slice(0, room);
    const tail = this.#tail + text.slice(room);
    this.#isCut ||= tail.length > this.#tailLimit;
    this.#tail = tail.slice(-this.#tailLimit);
  }

  text(): string {
    return this.#isCut ? `${this.#head}\n[…]\n${this.#tail}` : this.#head + this.#tail;
  }
}
