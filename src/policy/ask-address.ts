/** A verdict is short; whoever sends more is not what the operator meant. Bytes. */
const LONGEST_ANSWER = 256 * 1024;

/**
 * Posts JSON to an address that the operator chose. Redirects are not followed: words and token go where the
 * operator said and nowhere else.
 * @throws Error for anything but a short answer of status 200
 */
export async function askAddress(
  url: string,
  body: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'error',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body,
    signal,
  });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`the moderation service answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > LONGEST_ANSWER) throw new Error('the moderation service answered too much');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
