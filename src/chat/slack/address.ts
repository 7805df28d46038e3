import { z } from 'zod';
import type { Delivery } from '#src/chat/delivery/types';

const addressSchema = z.object({
  /** Who asked; also where the answer goes if there is no channel or the bot may not write there. */
  user: z.string(),
  channel: z.string().optional(),
  /** The thread to answer in. */
  thread: z.string().optional(),
});
/** Where an answer goes. */
export type Address = z.infer<typeof addressSchema>;

export function addressOf(delivery: Pick<Delivery, 'address'>): Address {
  return addressSchema.parse(delivery.address);
}
