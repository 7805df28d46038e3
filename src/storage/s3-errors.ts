import { S3ServiceException } from '@aws-sdk/client-s3';
import { MumuError } from '#contracts/errors';

/** Names of errors that somebody has to mend in the settings, with what to say. */
const SETTINGS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'is not there: create it, or set S3_BUCKET to one that is',
  NotFound: 'is not there: create it, or set S3_BUCKET to one that is',
  AccessDenied:
    'may not be used with these credentials: allow them s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket',
  Forbidden:
    'may not be used with these credentials: allow them s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket',
  InvalidAccessKeyId: 'does not know S3_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'does not take S3_SECRET_ACCESS_KEY',
  CredentialsProviderError: 'needs credentials: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY',
  PermanentRedirect: 'lies in another region: set S3_REGION to it',
};

/** Whether the server says that an object is not there. */
export function isMissing(error: unknown): boolean {
  if (!(error instanceof S3ServiceException)) return false;
  return error.name === 'NoSuchKey' || (error.name === 'NotFound' && error.$metadata.httpStatusCode === 404);
}

/** What goes wrong between us and the store, as a person can use it. */
export function s3Failure(error: unknown, bucket: string): MumuError {
  if (error instanceof MumuError) return error;
  const name = error instanceof Error ? error.name : '';
  // HeadBucket has no body, so its errors may bear the bare status.
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  const told =
    SETTINGS[name] ?? (status === 404 ? SETTINGS.NotFound : status === 403 ? SETTINGS.Forbidden : undefined);
  if (told !== undefined) {
    return new MumuError('missing_dependency', `The S3 bucket ${bucket} ${told}.`, { cause: error });
  }
  return new MumuError('unavailable', 'The file store (S3) does not answer at the moment: try again.', {
    cause: error,
  });
}
