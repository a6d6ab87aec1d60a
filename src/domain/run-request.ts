import { QUALITIES, type Profile, type Quality, type Step } from './video.ts';

/** What may be asked of a run, over HTTP and by hand alike; what is left out stays as it was. */
export interface RunRequest {
  readonly profile?: Profile;
  /** Budget of one piece of work, instead of the server's setting. */
  readonly timeoutSeconds?: number;
  /** Instead of those asked for at the upload. */
  readonly thumbnailTimestamps?: readonly number[];
  /** Renditions to leave out: the video completes without them. */
  readonly skip?: readonly Quality[];
  /** Makes the work of this step and of those after it anew, although it is finished. */
  readonly from?: Step;
  /** Makes these renditions anew and uses everything else that is finished. */
  readonly renditions?: readonly Quality[];
}

/** A field that cannot be as it is, and why, in a sentence. */
export interface RequestFault {
  readonly field: keyof RunRequest;
  readonly detail: string;
}

/** The steps whose work belongs to single renditions. */
const RENDITION_STEPS: readonly Step[] = ['compress', 'ladder'];

/** What contradicts itself in a request, whatever the video is. */
export function findContradiction({
  skip = [],
  from,
  renditions,
}: RunRequest): RequestFault | undefined {
  if (QUALITIES.every((quality) => skip.includes(quality)))
    return { field: 'skip', detail: 'Not all renditions can be skipped.' };
  const both = renditions?.find((quality) => skip.includes(quality));
  if (both !== undefined)
    return { field: 'skip', detail: `${both} cannot be skipped and made anew at once.` };
  if (renditions !== undefined && from !== undefined && !RENDITION_STEPS.includes(from)) {
    return {
      field: 'from',
      detail: `With "renditions", "from" is ${RENDITION_STEPS.join(' or ')}: other steps do not belong to single renditions.`,
    };
  }
  return undefined;
}

/** What of a request cannot be had from a source. @param offered  what the source and the profile have, skipped ones included */
export function findImpossible(
  { skip = [], renditions = [] }: Pick<RunRequest, 'skip' | 'renditions'>,
  offered: readonly Quality[],
): RequestFault | undefined {
  const what = `This source has ${offered.join(' ')} with this profile`;
  if (offered.length > 0 && offered.every((quality) => skip.includes(quality)))
    return { field: 'skip', detail: `${what}; one of them must be made.` };
  const unknown = renditions.find((quality) => !offered.includes(quality));
  return unknown === undefined
    ? undefined
    : { field: 'renditions', detail: `${what}, and no ${unknown}.` };
}
