/**
 * A `Content-Disposition` that shows the file in place and suggests a name: plain for old clients, UTF-8 for all others
 * (RFC 6266, RFC 8187). @param fileName sanitised
 */
export function inlineDisposition(fileName: string): string {
  const plain = fileName.replaceAll(/[^\x20-\x7e]/g, '_').replaceAll(/["\\%]/g, '_');
  const encoded = encodeURIComponent(fileName).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `inline; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
