/**
 * The contract of every store of bytes. Local disk and object storage pass one and the same suite.
 *
 * An object is published in one step: until then nothing under its key is visible, and afterwards it never changes. A key
 * that is taken is never overwritten: equal bytes count as done, other bytes fail with `storage-object-exists`.
 *
 * Errors, everywhere: `storage-object-missing` (no such key, the object ends before it should, or it is not what it was said to
 * be), `disk-full`, `storage-unavailable` (any other fault of the store), `internal-error` (a key that is none). An abort passes
 * untouched.
 */
export interface ObjectStore {
  /** Whether `link` shares bytes. Where not, it copies them, and whoever can name one key twice had better do that. */
  readonly sharesBytes: boolean;

  /** Stores a stream of known or unknown length. On any error, or an abort, nothing is left. */
  put(key: string, source: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<StoredObject>;

  /**
   * Stores a finished file. The file must not be changed afterwards: a local store may share its bytes.
   * @param path absolute, a regular file
   */
  putFile(key: string, path: string, options?: PutOptions): Promise<StoredObject>;

  /** Opens a place for bytes that arrive bit by bit. The caller ends it by `commit` or `abort`. */
  openSink(
    key: string,
    options?: Pick<PutOptions, 'contentType' | 'cacheControl' | 'maxBytes'>,
  ): Promise<ObjectSink>;

  /**
   * Reads bytes `start` to `end`, both inclusive; the whole object without a range. Nothing is opened before the first
   * chunk is asked for; leaving the loop, an abort and an error close what is open.
   *
   * A chunk is valid only until the next one is asked for: buffers may be used again. A connection that breaks is taken up again
   * at the next byte, some times.
   */
  read(key: string, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>;

  /**
   * Undefined where there is no such object.
   * @param options `maxAgeMs`: what was seen within this time may be told from memory; default 0
   */
  stat(key: string, options?: { readonly maxAgeMs?: number }): Promise<ObjectFacts | undefined>;

  /**
   * Brings an object to a path of the caller's, for tools that need a file. The file is for reading only: it may be the
   * object itself. Bytes that travel are checked against what is expected.
   * @param path absolute; must not exist
   */
  fetchToFile(
    key: string,
    path: string,
    signal?: AbortSignal,
    expected?: Partial<StoredObject>,
  ): Promise<void>;

  /** Reads the whole object and says what it is. */
  checksum(key: string, signal?: AbortSignal): Promise<StoredObject>;

  /**
   * An address at which whoever has it can GET the object, ranges too, without us and for some time; undefined where the store has
   * none to give out. Nobody is asked whether the object is there. Equal questions within a twentieth of the time get the same
   * address, so that browsers may keep what they have fetched.
   */
  addressOf(key: string, options: AddressOptions): Promise<string | undefined>;

  /** Gives the bytes of one object a second key. */
  link(fromKey: string, toKey: string): Promise<void>;

  /** Idempotent: keys that are gone are fine. */
  delete(keys: readonly string[]): Promise<void>;

  /**
   * Every object whose key starts with `prefix`, in the order of keys.
   * @param options `after`: only those behind this key, which need not be there
   */
  list(prefix: string, options?: { readonly after?: string }): AsyncIterable<ListedObject>;

  /** Proves that a byte can be written. @throws `disk-full`, `storage-unavailable`, with a sentence on what is wrong */
  checkWritable(): Promise<void>;

  /** Removes what writers that died have left half-written. Call at start. @returns how many were removed */
  sweepIncoming(): Promise<number>;
}

/** Bytes on their way to a key. Calls come one after the other. */
export interface ObjectSink {
  /** Resolves when the store has room for more, so awaiting it holds memory flat. The chunk may be used again then. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the bytes durable and publishes them. On an error nothing is published and the sink is gone. */
  commit(): Promise<StoredObject>;
  /** Throws the bytes away. Idempotent; does nothing after `commit`. */
  abort(): Promise<void>;
}

export interface PutOptions {
  /** What a viewer who is sent to the object itself is told. */
  readonly contentType?: string;
  readonly cacheControl?: string;
  /** Of the whole stream, where it is known. A stream of another length fails with `storage-object-missing`. */
  readonly sizeBytes?: number;
  /** Where the size is not known: it is at most this; 78 GiB if left out. A store that sends in parts chooses their size by it. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export interface AddressOptions {
  /** 1 to 604,800; the address lasts for at least 95 % of it. */
  readonly expiresSeconds: number;
  /** What the store says of the object to whoever comes by this address. */
  readonly contentType: string;
  readonly cacheControl: string;
  readonly contentDisposition?: string | undefined;
}

/** Both inclusive, counted from 0. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface StoredObject {
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

export interface ObjectFacts {
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** Changes when the bytes do; absent where the store keeps none. */
  readonly etag?: string;
}

export interface ListedObject extends ObjectFacts {
  readonly key: string;
}
