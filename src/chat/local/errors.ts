import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import type { Logger } from '#src/log';
import { redisFailure } from '#src/redis/access';

/** Every answer that is no success has one shape: `{error: {code, message}}` under the code's status. */
export function installErrors(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const { status, failure } = describe(error);
    if (failure.code === 'internal') {
      log.error(
        { stack: failure.cause instanceof Error ? failure.cause.stack : undefined },
        'request failed',
      );
    }
    sendFailure(reply, failure, status);
  });
  app.setNotFoundHandler((_request, reply) => {
    sendFailure(reply, new MumuError('not_found', 'There is nothing at this address.'));
  });
}

export function sendFailure(reply: FastifyReply, failure: MumuError, status = failure.httpStatus): void {
  reply.code(status).send({ error: failure.toFailure() });
}

function describe(error: unknown): { status: number; failure: MumuError } {
  if (error instanceof z.ZodError) {
    const failure = new MumuError('invalid_input', error.issues[0]?.message ?? 'The request cannot be read.');
    return { status: failure.httpStatus, failure };
  }
  // What fastify and its parsers refuse: their own status, in our shape.
  const status = (error as Partial<FastifyError>).statusCode;
  if (!(error instanceof MumuError) && status !== undefined && status >= 400 && status < 500) {
    const code = status === 413 ? 'too_large' : status === 404 ? 'not_found' : 'invalid_input';
    return { status, failure: new MumuError(code, sentence((error as Error).message)) };
  }
  const failure = redisFailure(error);
  return { status: failure.httpStatus, failure };
}

function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
