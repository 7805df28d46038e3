import type { Config } from '#src/config';
import { createLogger } from '#src/log';
import { type Check, missing, ok, warning } from '#src/ops/doctor/check';
import { checkData, checkFfmpeg, checkNode, checkPort } from '#src/ops/doctor/machine';
import { checkDevice, checkPackFiles } from '#src/ops/doctor/models';
import { checkPolicy, checkRedis, checkS3, checkWorkers } from '#src/ops/doctor/services';
import { checkDiscord, checkSlack } from '#src/ops/doctor/tokens';

/** Looks at everything that mumu needs with these settings, in the order in which it is needed. */
export async function examine(config: Config): Promise<Check[]> {
  // What is found is told in the report.
  const log = createLogger('silent');
  const checks: Check[] = [
    checkNode(),
    await checkFfmpeg(),
    await checkData(config),
    await checkRedis(config, log),
    ...(config.s3 === undefined ? [] : [await checkS3(config.s3)]),
  ];
  for (const name of [config.pack, ...config.workerPacks]) checks.push(await checkPackFiles(config, name));
  checks.push(await checkDevice(config));
  if (config.redisUrl !== undefined) checks.push(await checkWorkers(config, log));
  checks.push(...(await checkPlatforms(config)));
  checks.push(checkSharing(config));
  if (config.policyFile !== undefined) checks.push(await checkPolicy(config, log));
  checks.push(await checkPort('page', config.host, config.port, 'MUMU_PORT'));
  if (config.ops.port !== 0) {
    checks.push(await checkPort('operations port', config.ops.host, config.ops.port, 'MUMU_OPS_PORT'));
  }
  return checks;

  async function checkPlatforms({ discord, slack }: Config): Promise<Check[]> {
    const found: Check[] = [];
    if (discord !== undefined) found.push(await checkDiscord(discord));
    if (slack !== undefined) {
      found.push(await checkSlack(slack, log));
      if (slack.appToken === undefined) {
        found.push(await checkPort('slack events', slack.host, slack.port, 'MUMU_SLACK_PORT'));
      }
    }
    if (found.length > 0) return found;
    return [ok('platforms', 'no tokens are set: only the local page (docs/discord.md, docs/slack.md)')];
  }
}

/** Settings that hang together. */
function checkSharing({ ops, s3, secret, redisUrl }: Config): Check {
  const name = 'settings';
  if (ops.publicUrl !== undefined && ops.port === 0) {
    return missing(name, 'MUMU_PUBLIC_URL leads nowhere', 'Set MUMU_OPS_PORT: links are answered there.');
  }
  if (ops.boardPassword !== undefined && ops.port === 0) {
    return missing(name, 'MUMU_BOARD_PASSWORD opens nothing', 'Set MUMU_OPS_PORT: the board is there.');
  }
  if (s3 !== undefined && redisUrl === undefined) {
    const advice = 'Set REDIS_URL too, if several machines are to work together.';
    return warning(name, 'files are shared (S3), the queue is not', advice);
  }
  if (s3 !== undefined && secret === undefined) {
    const advice = 'Bots on several machines need one MUMU_SECRET, or they cannot take over from each other.';
    return warning(name, 'each machine draws a secret of its own', advice);
  }
  return ok(name, 'they fit together');
}
