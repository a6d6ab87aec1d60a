import { describe, expect, it } from '@jest/globals';
import { bucketAddress, presignGet } from '../../../src/storage/presign.ts';

const SETTINGS = {
  endpoint: 'https://s3.amazonaws.com',
  region: 'us-east-1',
  bucket: 'examplebucket',
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  forcePathStyle: false,
};

describe('presigned addresses', () => {
  it('are those of the documentation of Amazon S3', () => {
    const address = presignGet(SETTINGS, {
      path: 'test.txt',
      query: {},
      signedAt: new Date('2013-05-24T00:00:00Z'),
      expiresSeconds: 86_400,
    });
    expect(address).toBe(
      'https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    );
  });

  it.each([
    [{}, 'https://examplebucket.s3.amazonaws.com'],
    [{ forcePathStyle: true }, 'https://s3.amazonaws.com/examplebucket'],
    [{ bucket: 'my.bucket' }, 'https://s3.amazonaws.com/my.bucket'],
    [{ endpoint: 'http://s3.test:9000/base/' }, 'http://examplebucket.s3.test:9000/base'],
    [{ forcePathStyle: true, cdnUrl: 'https://cdn.test' }, 'https://cdn.test'],
  ])('with %j begin with %s', (changes, beginning) => {
    expect(bucketAddress({ ...SETTINGS, ...changes })).toBe(beginning);
  });
});
