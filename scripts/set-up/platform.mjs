import { Problem, say } from './report.mjs';

/**
 * Refuses a machine that cannot work before anything is downloaded.
 * @param {{ platform: string, arch: string, isMusl: boolean }} machine
 * @throws {Problem}
 */
export function checkPlatform(machine = thisMachine()) {
  const { platform, arch, isMusl } = machine;
  if (platform === 'darwin') {
    say('macOS works, but a killed worker may leave an ffmpeg behind and nothing is sandboxed.');
    return;
  }
  if (platform !== 'linux') {
    throw new Problem(
      `Steadyreel does not run on ${platform === 'win32' ? 'Windows' : platform}: use Linux (under Windows: WSL 2).`,
    );
  }
  if (isMusl) {
    throw new Problem(
      'Steadyreel needs a Linux with glibc and this one has musl: use Debian, Ubuntu, Fedora or the like.',
    );
  }
  if (arch !== 'x64' && arch !== 'arm64') {
    throw new Problem(`Steadyreel runs on x64 and arm64, and this machine is ${arch}.`);
  }
}

function thisMachine() {
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (
    process.report?.getReport() ?? { header: {} }
  );
  return {
    platform: process.platform,
    arch: process.arch,
    isMusl: process.platform === 'linux' && !report.header.glibcVersionRuntime,
  };
}
