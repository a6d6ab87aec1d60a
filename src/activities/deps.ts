import type { Database } from '../db/database.ts';
import type { RetentionSettings } from '../domain/retention.ts';
import type { DecodeCheck } from '../domain/run-settings.ts';
import type { OnTruncated } from '../domain/video.ts';
import type { Ffmpeg } from '../media/ffmpeg.ts';
import type { ScratchRoot } from '../media/scratch.ts';
import type { ToolLauncher } from '../media/tool-launcher.ts';
import type { Logger } from '../observability/logger.ts';
import type { Disk } from '../storage/disk.ts';
import type { NamedStore } from '../storage/joined-stores.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { RunDescriptions } from '../temporal/run-descriptions.ts';
import type { VideoWorkflows } from '../temporal/video-workflows.ts';
import type { EncoderAdmission } from './encoder-admission.ts';

/** Everything that activities work with. Values of settings come in here; activities never read the environment. */
export interface ActivityDeps {
  readonly database: Database;
  readonly store: ObjectStore;
  /** Each of those that `store` joins, without a cache; the main one first. */
  readonly stores: readonly NamedStore[];
  readonly workflows: VideoWorkflows;
  readonly runDescriptions: RunDescriptions;
  readonly ffmpeg: Ffmpeg;
  readonly encoders: EncoderAdmission;
  /** Absolute. */
  readonly ffprobePath: string;
  /** How ffprobe is started; `ffmpeg` has been given it already. */
  readonly launcher: ToolLauncher;
  readonly scratch: ScratchRoot;
  readonly disks: WorkDisks;
  readonly logger: Logger;
  readonly settings: ServerSettings;
  /** Called at named instants, so that a test can stop the world there. */
  readonly crashPoint?: (name: string) => Promise<void>;
}

/** Where runs fill disks; the two may be one. */
export interface WorkDisks {
  /** What a run makes lies there: that of the media, or with object storage that of the scratch folders. */
  readonly outputs: Disk;
  readonly scratch: Disk;
  /** Media lie on `outputs` for good, and not only while they are worked with. */
  readonly keepsMedia: boolean;
}

/** The server's own settings, of which each run gets a snapshot when it is claimed. */
export interface ServerSettings extends RetentionSettings {
  readonly crf: number;
  readonly preset: string;
  readonly onTruncated: OnTruncated;
  readonly timeoutSeconds: number;
  readonly maxDurationSeconds: number;
  readonly platformFaultPatienceSeconds: number;
  readonly oldVersionGraceSeconds: number;
  readonly reconcileGraceSeconds: number;
  readonly lanes: number;
  readonly threads: number;
  readonly ffmpegMemoryMb: number;
  readonly decodeCheck: DecodeCheck;
}
