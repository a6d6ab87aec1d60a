import type { MediaLibrary } from './find-media.ts';
import type { Recall } from './recall.ts';
import type { Viewer } from './viewer.ts';

/** A library that looks a file up once for many ranges of it. */
export function recallMedia(library: MediaLibrary, recall: Recall): MediaLibrary {
  const keyOf = (what: string, { userId, role }: Viewer, ...parts: readonly (string | number)[]) =>
    JSON.stringify([what, userId, role, ...parts]);
  return {
    ...library,
    findStream: (viewer, videoId, quality) =>
      recall.find(keyOf('stream', viewer, videoId, quality), () =>
        library.findStream(viewer, videoId, quality),
      ),
    findDownload: (viewer, videoId, quality) =>
      recall.find(keyOf('download', viewer, videoId, quality), () =>
        library.findDownload(viewer, videoId, quality),
      ),
    findVersion: (viewer, videoId, rendition) =>
      recall.find(keyOf('version', viewer, videoId, rendition.version, rendition.quality), () =>
        library.findVersion(viewer, videoId, rendition),
      ),
  };
}
