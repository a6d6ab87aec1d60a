import type { Database } from '../db/database.ts';
import {
  type DueTotal,
  type DueVideo,
  listDueVideos,
  sumDueActions,
} from '../db/retention-preview.ts';
import { type RetentionSettings, retentionCutoffs } from '../domain/retention.ts';
import { type Page, toPage } from './deps.ts';
import { requireAdmin, type Viewer } from './viewer.ts';

interface Deps {
  readonly database: Database;
  readonly now: () => Date;
  readonly retention: RetentionSettings;
}

/** What retention would do now: a page of videos by id, and the sums of all of them. */
export interface RetentionPreview extends Page<DueVideo> {
  readonly settings: RetentionSettings;
  readonly totals: readonly DueTotal[];
}

/** Looks, and changes nothing. @throws `permission-denied` for anybody but administrators */
export async function previewRetention(
  deps: Deps,
  viewer: Viewer,
  page: { readonly afterId: number; readonly limit: number },
): Promise<RetentionPreview> {
  requireAdmin(viewer);
  return lookAtRetention(deps, page);
}

/** As `previewRetention`, for whoever has the machine itself. */
export async function lookAtRetention(
  { database, now, retention }: Deps,
  { afterId, limit }: { readonly afterId: number; readonly limit: number },
): Promise<RetentionPreview> {
  const cutoffs = retentionCutoffs(retention, now());
  return database.run(async (em) => {
    const rows = await listDueVideos(em, cutoffs, { afterId, limit: limit + 1 });
    const totals = await sumDueActions(em, cutoffs);
    return { ...toPage(rows, limit, ({ videoId }) => videoId), totals, settings: retention };
  });
}
