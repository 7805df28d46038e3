import { availableParallelism } from 'node:os';
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
