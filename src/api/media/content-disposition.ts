/** Whether a browser shows the file in place or saves it. */
export type Disposition = 'inline' | 'attachment';

/**
 * A `Content-Disposition` that suggests a name: plain for old clients, UTF-8 for all others
 * (RFC 6266, RFC 8187). @param fileName sanitised
 */
export function contentDisposition(kind: Disposition, fileName: string): string {
  const plain = fileName.replaceAll(/[^\x20-\x7e]/g, '_').replaceAll(/["\\%]/g, '_');
  const encoded = encodeURIComponent(fileName).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${kind}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
