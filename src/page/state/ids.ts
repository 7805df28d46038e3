/**
 * 128 random bits: who knows the name of a conversation may read it, and who knows that of a request may stop it, so
 * neither can be guessed. `crypto.randomUUID` would do, but browsers have it on secure pages only, and this one is also
 * opened over plain http at an address in somebody's network.
 */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
