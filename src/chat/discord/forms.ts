import type { Redis } from 'ioredis';
import { Sealer } from '#src/chat/delivery/seal';
import type { RemoteFile } from '#src/chat/delivery/types';

/** Discord gives up a form after a while too. Milliseconds. */
const KEEP = 15 * 60_000;

/**
 * Files that an open form is about: Discord does not say again, when it is sent, on which message it was opened. Their
 * addresses are signed, so they are sealed.
 */
export class Forms {
  private readonly sealer: Sealer;

  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
    secret: string,
  ) {
    this.sealer = new Sealer(secret);
  }

  async keep(id: string, files: RemoteFile[]): Promise<void> {
    await this.redis.set(this.key(id), this.sealer.seal(id, { files }), 'PX', KEEP);
  }

  /** Undefined for a form that was open too long. The same form may be sent twice: Discord delivers at least once. */
  async files(id: string): Promise<RemoteFile[] | undefined> {
    const sealed = await this.redis.get(this.key(id));
    return sealed === null ? undefined : this.sealer.unseal(id, sealed)?.files;
  }

  private key(id: string): string {
    return `${this.prefix}:discord:form:${id}`;
  }
}
