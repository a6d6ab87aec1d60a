import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { SNIFF_BYTES, sniffContainer } from '../../../src/usecases/sniff-container.ts';
import { findRealClips } from '../../support/real-clips.ts';

const text = (content: string) => Buffer.from(content);
const box = (brand: string) =>
  Buffer.concat([Buffer.from([0, 0, 0, 24]), text(`ftyp${brand}`), Buffer.alloc(12)]);

describe('sniffContainer', () => {
  it.each([
    ['mp4', box('isom')],
    ['mp4', box('M4A ')],
    ['mov', box('qt  ')],
    ['m4v', box('M4V ')],
    ['3gp', box('3gp4')],
    ['flv', Buffer.from('FLV\u0001\u0005\u0000\u0000\u0000\u0009', 'latin1')],
    ['avi', Buffer.concat([text('RIFF'), Buffer.alloc(4), text('AVI LIST'), Buffer.alloc(20)])],
    ['mpg', Buffer.from([0, 0, 1, 0xba, 0x44, 0, 4, 0])],
    [
      'ts',
      Buffer.concat(Array.from({ length: 4 }, () => Buffer.from([0x47, ...Buffer.alloc(187)]))),
    ],
    ['gif', text('GIF89a')],
  ])('lets in %s', async (extension, head) => {
    expect(await sniffContainer(head)).toMatchObject({ extension });
  });

  it.each([
    ['nothing', ''],
    ['text', 'this is not a video'],
    ['a script', '#!/bin/sh\necho hi\n'],
    ['an HLS playlist', '#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10.0,\nfile:///etc/passwd\n'],
    ['a concat list', "ffconcat version 1.0\nfile 'other.mp4'\n"],
    ['a DASH manifest', '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'],
    ['an SDP file', 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\n'],
    ['an SVG', '<svg xmlns="http://www.w3.org/2000/svg"></svg>'],
    ['a PNG', '\x89PNG\r\n\x1a\n'],
    ['an MP3', 'ID3\x04\x00\x00\x00\x00\x00\x00'],
    ['a PDF', '%PDF-1.7\n'],
    ['a zip', 'PK\x03\x04'],
  ])('refuses %s', async (_kind, content) => {
    expect(await sniffContainer(Buffer.from(content, 'latin1'))).toBeUndefined();
  });
});

const clips = findRealClips('sniff-container');

(clips === undefined ? describe.skip : describe)('sniffContainer on real clips', () => {
  it('lets in every one', async () => {
    const names = (await readdir(clips ?? '')).filter((name) => name.startsWith('real-'));
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const file = await open(join(clips ?? '', name));
      const { buffer, bytesRead } = await file.read(Buffer.alloc(SNIFF_BYTES));
      await file.close();
      expect([name, await sniffContainer(buffer.subarray(0, bytesRead))]).toEqual([
        name,
        expect.anything(),
      ]);
    }
  });
});
