import type { Request } from '#contracts/request';
import type { DoneResult } from '#contracts/result';
import type { Button } from '#src/chat/delivery/custom-id';

/** What goes on from a result, as on the local page: what can be varied has something drawn by a seed in its music. */
export function resultButtons(request: Pick<Request, 'command'>, result: DoneResult): Button[] {
  const hasMusic = result.files.some(({ mime }) => /^(audio|video)\//.test(mime));
  const isDrawn = request.command === 'generate' || result.plan?.some(({ by }) => by === 'model') === true;
  if (!hasMusic) return ['again'];
  return isDrawn ? ['again', 'vary', 'extend', 'remix'] : ['again', 'extend', 'remix'];
}
