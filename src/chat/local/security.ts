import { isIP } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MumuError } from '#contracts/errors';
import { sendFailure } from '#src/chat/local/errors';
import type { Config } from '#src/config';

/** wavesurfer draws with style elements of its own, hence inline styles; scripts come from us alone. */
const POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

/** What a page may be opened and looked at with: links on other pages lead here, too. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Answers only requests that were meant for this address and, where a browser says where they come from, only
 * those of our own page. A server on loopback is in reach of every page the user opens: through a name that
 * resolves to 127.0.0.1 (told by the Host header), or through a plain form (told by Origin and Sec-Fetch-Site).
 * Other pages may link to ours, and no more.
 */
export function installSecurity(app: FastifyInstance, config: Pick<Config, 'host' | 'allowedHosts'>): void {
  const names = new Set(['localhost', config.host.toLowerCase(), ...config.allowedHosts]);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    const host = hostName(request.headers.host);
    if (host === undefined || !(names.has(host) || isIP(host) !== 0)) {
      const message = 'This host name is not served: name it in MUMU_ALLOWED_HOSTS.';
      sendFailure(reply, new MumuError('invalid_input', message), 421);
      return reply;
    }
    if (isOursAlone(request) && comesFromElsewhere(request)) {
      sendFailure(reply, new MumuError('invalid_input', 'Requests of other pages are not answered.'), 403);
      return reply;
    }
  });
}

/**
 * Whatever may change something, at any address, and all of the interface. That goes by the route the router has found:
 * the address as it was sent may be written in many ways (`/%61pi/`).
 */
function isOursAlone({ method, routeOptions }: FastifyRequest): boolean {
  return !SAFE.has(method) || routeOptions.url?.startsWith('/api/') === true;
}

/** The name of a Host header without port and brackets, lower-case. */
function hostName(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d+)?$/i.exec(header ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function comesFromElsewhere(request: FastifyRequest): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin } = request.headers;
  if (origin === undefined) return false;
  try {
    return new URL(origin).host !== request.headers.host;
  } catch {
    return true;
  }
}
