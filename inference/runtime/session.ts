import { existsSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { MumuError } from '#contracts/errors';
import type { Device } from '#inference/runtime/device';

export type Feeds = Readonly<Record<string, Tensor>>;
export type Fetches = Readonly<Record<string, Tensor>>;

/** One graph of a pack, ready to run. */
export class Session {
  private constructor(
    readonly name: string,
    private readonly session: InferenceSession,
  ) {}

  /**
   * @throws MumuError damaged_pack when the graph is missing or cannot be loaded
   */
  static async load(path: string, name: string, device: Device): Promise<Session> {
    if (!existsSync(path)) {
      throw new MumuError('damaged_pack', `The pack has no ${name} graph: build it again.`);
    }
    try {
      const session = await InferenceSession.create(path, {
        executionProviders: device.providers,
        graphOptimizationLevel: 'all',
        intraOpNumThreads: device.threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        logSeverityLevel: 3,
      });
      return new Session(name, session);
    } catch (cause) {
      throw new MumuError('damaged_pack', `The pack's ${name} graph cannot be loaded: build it again.`, {
        cause,
      });
    }
  }

  /** Runs the graph; inputs are held against its declaration first, so that a mistake names its input. */
  async run(feeds: Feeds): Promise<Fetches> {
    this.check(feeds);
    return this.session.run(feeds);
  }

  private check(feeds: Feeds): void {
    for (const declared of this.session.inputMetadata) {
      const given = feeds[declared.name];
      if (given === undefined) throw new Error(`${this.name}: input "${declared.name}" is missing`);
      if (!declared.isTensor) continue;
      const wanted = `${declared.type} [${declared.shape.join(', ')}]`;
      const fits =
        given.type === declared.type &&
        given.dims.length === declared.shape.length &&
        declared.shape.every(
          (size, axis) => typeof size !== 'number' || size < 0 || size === given.dims[axis],
        );
      if (!fits) {
        const got = `${given.type} [${given.dims.join(', ')}]`;
        throw new Error(`${this.name}: input "${declared.name}" is ${got}, the graph wants ${wanted}`);
      }
    }
    for (const name of Object.keys(feeds)) {
      if (!this.session.inputNames.includes(name))
        throw new Error(`${this.name}: there is no input "${name}"`);
    }
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

/** float32 tensor over `data` (not copied). */
export function floats(data: Float32Array, dims: readonly number[]): Tensor {
  return new Tensor('float32', data, dims);
}

/** int64 tensor of whole numbers. */
export function longs(data: ArrayLike<number>, dims: readonly number[]): Tensor {
  return new Tensor(
    'int64',
    BigInt64Array.from({ length: data.length }, (_, i) => BigInt(data[i] as number)),
    dims,
  );
}

/** A float32 output by name. */
export function takeFloats(fetches: Fetches, name: string): Float32Array {
  const tensor = fetches[name];
  if (tensor?.type !== 'float32') throw new Error(`output "${name}" is missing or not float32`);
  return tensor.data as Float32Array;
}
