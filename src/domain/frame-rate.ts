/** A frame rate as a fraction, since 29.97 is 30000/1001 and nothing else. */
export interface FrameRate {
  readonly num: number;
  readonly den: number;
}

const STANDARD_RATES: readonly FrameRate[] = [
  { num: 24000, den: 1001 },
  { num: 24, den: 1 },
  { num: 25, den: 1 },
  { num: 30000, den: 1001 },
  { num: 30, den: 1 },
  { num: 50, den: 1 },
  { num: 60000, den: 1001 },
  { num: 60, den: 1 },
];
const SNAP_WITHIN = 0.005;
const FASTEST = 60;
const SLOWEST_PLAUSIBLE = 1;
const FASTEST_PLAUSIBLE = 120;

export function framesPerSecond(rate: FrameRate): number {
  return rate.num / rate.den;
}

export interface MeasuredRates {
  /** What the container says on average; 1000/1 on some real FLV and Matroska files. */
  readonly average: FrameRate | null;
  /** What the container says per frame; 120/1 on some phones' clips with a variable rate. */
  readonly nominal: FrameRate | null;
  /** Counted packets over duration. */
  readonly counted: number | null;
  /** Length of the picture; null where it is not told. */
  readonly durationSeconds: number | null;
}

/**
 * The constant rate that every rendition gets: the average, snapped to a standard rate within 0.5 %, at most 60.
 *
 * In a short clip a length that is a frame off makes the average so too, as in fragmented MP4s: then a standard nominal rate counts. Where the average is absurd, counted frames go before the nominal rate: a real FLV says 60 and holds 30 a second. Lower
 * natural rates (10, 12, 15) stay as they are. 25 when nothing is known.
 */
export function chooseFrameRate(measured: MeasuredRates): FrameRate {
  const [average = null, nominal = null] = [measured.average, measured.nominal].map((rate) =>
    rate === null ? null : framesPerSecond(rate),
  );
  if (nominal !== null && isStandard(nominal) && isSameCount(average, nominal, measured))
    return snap(nominal);
  const usable = [average, measured.counted, nominal].find(
    (rate) => rate !== null && rate >= SLOWEST_PLAUSIBLE && rate <= FASTEST_PLAUSIBLE,
  );
  return snap(Math.min(usable ?? 25, FASTEST));
}

/** Of a frame, and of the rate: a clip of three frames may well be uneven. */
const MISCOUNTED_FRAMES = 1;
const MISCOUNTED_SHARE = 0.05;

function isSameCount(
  average: number | null,
  nominal: number,
  { durationSeconds }: MeasuredRates,
): boolean {
  if (average === null || durationSeconds === null) return false;
  const difference = Math.abs(average - nominal);
  return (
    difference * durationSeconds <= MISCOUNTED_FRAMES && difference <= nominal * MISCOUNTED_SHARE
  );
}

/**
 * Frames over duration. Some containers end with the last frame's start, so one frame less is taken where that is a standard
 * rate and the plain quotient is not.
 */
export function countedRate(frames: number, durationSeconds: number): number {
  const plain = frames / durationSeconds;
  const withoutLast = (frames - 1) / durationSeconds;
  return !isStandard(plain) && isStandard(withoutLast) ? withoutLast : plain;
}

function isStandard(rate: number): boolean {
  return STANDARD_RATES.some((standard) => isNear(rate, framesPerSecond(standard)));
}

function snap(rate: number): FrameRate {
  const nearest = STANDARD_RATES.toSorted(
    (a, b) => Math.abs(framesPerSecond(a) - rate) - Math.abs(framesPerSecond(b) - rate),
  )[0];
  if (nearest !== undefined && isNear(rate, framesPerSecond(nearest))) return nearest;
  const whole = Math.round(rate);
  if (whole >= 1 && isNear(rate, whole)) return { num: whole, den: 1 };
  return { num: Math.round(rate * 1000), den: 1000 };
}

function isNear(rate: number, standard: number): boolean {
  return Math.abs(rate - standard) / standard <= SNAP_WITHIN;
}
