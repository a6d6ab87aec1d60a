import { AppError } from '../../src/domain/errors.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import type { StorageWorkflow } from '../../src/temporal/storage-workflow.ts';
import type { StartableVideo, VideoWorkflows } from '../../src/temporal/video-workflows.ts';

/** Temporal as the routes see it: notes what it was asked, and can be away. */
export interface FakeWorkflows extends VideoWorkflows {
  readonly uploads: StartableVideo[];
  readonly runs: { readonly video: StartableVideo; readonly input: object }[];
  readonly cancelled: string[];
  readonly deleted: VideoId[];
  readonly pictures: StartableVideo[];
  reachable: boolean;
}

export function createFakeWorkflows(): FakeWorkflows {
  const requireServer = (fake: FakeWorkflows): void => {
    if (!fake.reachable) throw new AppError('temporal-unavailable');
  };
  return {
    uploads: [],
    runs: [],
    cancelled: [],
    deleted: [],
    pictures: [],
    reachable: true,
    async startUpload(video) {
      if (this.reachable) this.uploads.push(video);
      return this.reachable;
    },
    async startRun(video, input) {
      requireServer(this);
      this.runs.push({ video, input });
      return { workflowId: `process-video-${video.id}`, runId: `run-${this.runs.length}` };
    },
    async cancelRun(workflowId) {
      requireServer(this);
      this.cancelled.push(workflowId);
    },
    async terminateRun(workflowId) {
      return this.cancelRun(workflowId);
    },
    async startDelete(videoId) {
      if (this.reachable) this.deleted.push(videoId);
      return this.reachable;
    },
    async startPictures(video) {
      if (this.reachable) this.pictures.push(video);
      return this.reachable;
    },
    isReachable() {
      return Promise.resolve(this.reachable);
    },
    close: () => Promise.resolve(),
  };
}

/** The workflow that moves objects, as the routes see it: notes what it was asked. */
export function createFakeStorageWorkflow(): StorageWorkflow & { readonly asked: unknown[] } {
  const asked: unknown[] = [];
  const note = async (what: unknown) => void asked.push(what);
  return {
    asked,
    async start(input) {
      await note(input);
      return { workflowId: 'migrate-storage', runId: 'run-of-a-test' };
    },
    pause: () => note('pause'),
    resume: () => note('resume'),
    cancel: () => note('cancel'),
  };
}
