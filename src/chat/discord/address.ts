import { z } from 'zod';
import type { Delivery } from '#src/chat/delivery/types';

const common = {
  application: z.string(),
  channel: z.string(),
  /** The person, for a direct message where the channel cannot be written to. */
  person: z.string(),
  /** Bytes of one file that may be sent here. */
  fileBytes: z.number().int().positive(),
  /** Whether the music was asked for as a voice message; absent: the person's own setting decides. */
  voice: z.boolean().optional(),
};

/** Where an answer goes: Discord's ids. An interaction's token is a secret and travels apart. */
export const addressSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('interaction'),
    ...common,
    /** Whether the bot itself is here; installed to a person only, it has no voice of its own in the channel. */
    member: z.boolean(),
  }),
  z.object({
    type: z.literal('message'),
    ...common,
    /** The message that is answered. */
    message: z.string(),
  }),
]);
export type Address = z.infer<typeof addressSchema>;

export function addressOf(delivery: Pick<Delivery, 'address'>): Address {
  return addressSchema.parse(delivery.address);
}
