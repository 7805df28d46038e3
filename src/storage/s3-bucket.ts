import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { MumuError } from '#contracts/errors';
import type { Config } from '#src/config';
import { isMissing, s3Failure } from '#src/storage/s3-errors';
import { contentSchema, type StoredFile, storageKeySchema } from '#src/storage/storage';

/** Objects of a bucket by storage key: `PREFIX` + `ab/abcd...`, kind and duration as the object's metadata. */
export class S3Bucket {
  private readonly client: S3Client;

  constructor(private readonly s3: NonNullable<Config['s3']>) {
    this.client = new S3Client({
      region: s3.region,
      // Servers that are not Amazon's have no host name per bucket, and know no newer checksums.
      ...(s3.endpoint === undefined ? {} : { endpoint: s3.endpoint, forcePathStyle: true }),
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(s3.credentials === undefined
        ? {}
        : { credentials: { accessKeyId: s3.credentials.id, secretAccessKey: s3.credentials.secret } }),
      maxAttempts: 4,
      requestHandler: { connectionTimeout: 5_000, socketTimeout: 30_000 },
    });
  }

  /** @throws MumuError missing_dependency (no such bucket, not allowed), unavailable */
  async check(): Promise<void> {
    await this.told(this.client.send(new HeadBucketCommand({ Bucket: this.s3.bucket })));
  }

  /** What is known of an object; undefined if there is none. */
  async head(key: string): Promise<StoredFile | undefined> {
    const command = new HeadObjectCommand({ Bucket: this.s3.bucket, Key: this.name(key) });
    const head = await this.client.send(command).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw s3Failure(error, this.s3.bucket);
    });
    if (head === undefined) return undefined;
    const seconds = head.Metadata?.seconds;
    const content = contentSchema.safeParse({
      kind: head.Metadata?.kind,
      mime: head.ContentType,
      ...(seconds === undefined ? {} : { seconds: Number(seconds) }),
    });
    // Not one of ours, or written by a tool that drops metadata: of no use without.
    return content.success ? { key, bytes: head.ContentLength ?? 0, ...content.data } : undefined;
  }

  /** @throws MumuError not_found */
  async download(key: string, range?: { start: number; end: number }): Promise<Readable> {
    const part = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` };
    const command = new GetObjectCommand({ Bucket: this.s3.bucket, Key: this.name(key), ...part });
    const object = await this.client.send(command).catch((error: unknown) => {
      if (isMissing(error)) throw gone();
      throw s3Failure(error, this.s3.bucket);
    });
    if (object.Body instanceof Readable) return object.Body;
    throw new MumuError('unavailable', 'The file store (S3) sent an answer without content: try again.');
  }

  /** Sends a file, in parts where it is large. */
  async upload(file: StoredFile, path: string): Promise<void> {
    const { kind, seconds } = file;
    const upload = new Upload({
      client: this.client,
      params: {
        Bucket: this.s3.bucket,
        Key: this.name(file.key),
        Body: createReadStream(path),
        ContentType: file.mime,
        Metadata: { kind, ...(seconds === undefined ? {} : { seconds: String(seconds) }) },
      },
    });
    await this.told(upload.done());
  }

  async remove(key: string): Promise<void> {
    await this.told(
      this.client.send(new DeleteObjectCommand({ Bucket: this.s3.bucket, Key: this.name(key) })),
    );
  }

  /** Every object that is one of ours. */
  async *list(): AsyncGenerator<{ key: string; bytes: number; modifiedAt: number }> {
    let next: string | undefined;
    do {
      const page = await this.told(
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.s3.bucket,
            Prefix: this.s3.prefix,
            ...(next === undefined ? {} : { ContinuationToken: next }),
          }),
        ),
      );
      for (const { Key: name = '', Size: bytes = 0, LastModified: modified } of page.Contents ?? []) {
        const key = storageKeySchema.safeParse(name.slice(name.lastIndexOf('/') + 1)).data;
        if (key === undefined || name !== this.name(key)) continue;
        yield { key, bytes, modifiedAt: modified?.getTime() ?? Date.now() };
      }
      next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (next !== undefined);
  }

  /** Ends the connections. */
  close(): void {
    this.client.destroy();
  }

  private async told<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      throw s3Failure(error, this.s3.bucket);
    });
  }

  /** A key is checked before it becomes part of a name. */
  private name(key: string): string {
    if (!storageKeySchema.safeParse(key).success) {
      throw new MumuError('invalid_input', 'A file key is 64 hexadecimal digits.');
    }
    return `${this.s3.prefix}${key.slice(0, 2)}/${key}`;
  }
}

/** What there is to say when content is not there any more. */
export function gone(): MumuError {
  return new MumuError('not_found', 'The file is no longer stored: send it again.');
}
