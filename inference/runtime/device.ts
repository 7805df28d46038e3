import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { InferenceSession, listSupportedBackends } from 'onnxruntime-node';
import { MumuError } from '#contracts/errors';

export type DeviceName = 'cpu' | 'cuda' | 'webgpu';
export type DeviceChoice = DeviceName | 'auto';

/** Where sessions run and why. */
export type Device = {
  name: DeviceName;
  /** In words, for the log. */
  why: string;
  providers: DeviceName[];
  /** Threads of one graph. */
  threads: number;
};

/**
 * Decides where graphs run. `auto` takes CUDA where its provider is installed and opens, else the CPU: WebGPU is
 * only taken when asked for, because small graphs run slower there. `probeGraph` is a small graph of the pack, opened
 * to see whether the provider really works on this machine.
 * @throws MumuError missing_dependency when the device asked for does not work here
 */
export async function chooseDevice(
  choice: DeviceChoice,
  probeGraph: string,
  threads: number = availableParallelism(),
): Promise<Device> {
  const cpu = (why: string): Device => ({ name: 'cpu', why, providers: ['cpu'], threads });
  if (choice === 'cpu') return cpu('asked for');
  const wanted: DeviceName = choice === 'auto' ? 'cuda' : choice;
  const problem = await whyNot(wanted, probeGraph);
  if (problem === null) {
    const why = choice === 'auto' ? 'a working CUDA provider was found' : 'asked for';
    return { name: wanted, why, providers: [wanted, 'cpu'], threads };
  }
  if (choice === 'auto') return cpu(`no CUDA: ${problem}`);
  throw new MumuError(
    'missing_dependency',
    `The device ${choice} does not work on this machine (${problem}); use --device cpu.`,
  );
}

async function whyNot(device: DeviceName, probeGraph: string): Promise<string | null> {
  if (!listSupportedBackends().some((backend) => backend.name === device)) {
    return 'this build of onnxruntime does not carry it';
  }
  // Asking onnxruntime for a provider whose library was never installed makes it print an error of its own.
  if (device === 'cuda' && !cudaProviderInstalled()) {
    return 'its libraries are not installed (see the README on running with a GPU)';
  }
  try {
    const session = await InferenceSession.create(probeGraph, {
      executionProviders: [device],
      logSeverityLevel: 4,
    });
    await session.release();
    return null;
  } catch {
    return 'its provider cannot be opened: no such device, or its libraries are missing';
  }
}

/** Whether onnxruntime-node's install script fetched the CUDA provider, which it leaves out when told to. */
function cudaProviderInstalled(): boolean {
  const root = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..', 'bin');
  const name =
    process.platform === 'win32' ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so';
  const folders = existsSync(root) ? readdirSync(root) : [];
  return folders.some((folder) => existsSync(join(root, folder, process.platform, process.arch, name)));
}
