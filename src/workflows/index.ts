/** What the workflow bundle holds: the product's workflows, by the names that Temporal knows them by. */
export { ApplyRetention } from './apply-retention.ts';
export { DeleteVideo } from './delete-video.ts';
export { MakePictures } from './make-pictures.ts';
export { MigrateStorage } from './migrate-storage.ts';
export { ProcessVideo } from './process-video.ts';
export { ReconcileVideos } from './reconcile-videos.ts';
