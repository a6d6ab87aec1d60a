/**
 * Flags of Node with which the API is to be started; they cannot be set from inside, where the heap has grown already.
 *
 * Every chunk of a body is a buffer outside the heap with a tiny handle inside. In a young generation of the usual 16 MB the
 * handles pile up until V8's limit of 64 MB for what hangs on them. Measured with an upload of 1 GiB: peak 234 MiB of resident
 * memory without, 146 MiB with, at the same speed.
 */
export const API_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=1'];
