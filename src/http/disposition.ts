/** Content-Disposition by RFC 6266: a plain name for old clients, the real one percent-encoded. */
export function disposition(type: 'inline' | 'attachment', name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
  return `${type}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
