import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { toMumuError } from '#contracts/errors';
import { chooseDevice } from '#inference/runtime/device';
import { loadPack } from '#models/packs/read';
import { checkPack, listPacks } from '#src/cli/packs';
import type { Config } from '#src/config';
import { type Check, failed, missing, ok } from '#src/ops/doctor/check';

/** Whether a pack is there and whole, or can be built. */
export async function checkPackFiles(config: Config, name: string): Promise<Check> {
  const title = `pack ${name}`;
  try {
    const known = (await listPacks(config)).find((pack) => pack.name === name);
    if (known === undefined) {
      return missing(title, 'not there', 'Set MUMU_PACK to one that "mumu packs list" shows, or build it.');
    }
    if (known.state === 'not built') return ok(title, 'not built yet: the first start builds it');
    if (known.state === 'outdated') return ok(title, 'outdated: the next start builds it anew');
    const { files } = await checkPack(config, name);
    return ok(title, `whole, ${files.length} files`);
  } catch (error) {
    const advice = `Run "mumu packs build ${name}".`;
    return { ...failed(title, error), ...(toMumuError(error).code === 'damaged_pack' ? { advice } : {}) };
  }
}

/** Where the models will run. */
export async function checkDevice(config: Config): Promise<Check> {
  const folder = join(config.dataFolder, 'packs', config.pack);
  if (!existsSync(join(folder, 'pack.json'))) {
    // The probe is a graph of the pack; the processor needs none.
    if (config.device === 'auto' || config.device === 'cpu') return ok('device', `${config.device}`);
    const advice = `Run "mumu packs build ${config.pack}", then mumu doctor again.`;
    return missing('device', `${config.device} cannot be tried without a pack`, advice);
  }
  try {
    const pack = await loadPack(folder);
    const { name, why, threads } = await chooseDevice(
      config.device,
      pack.graph('injection'),
      ...(config.threads === undefined ? [] : [config.threads]),
    );
    return ok('device', `${name}, ${threads} threads (${why})`);
  } catch (error) {
    return failed('device', error);
  }
}
