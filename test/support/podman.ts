/** Podman for the tests: installed from Debian, its Docker-compatible service on a socket of the test's. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { aptInstall } from './debian.ts';
import { ensureImages, type EngineCommand, type ImageName } from './images.ts';
import { isRoot, Lacking, testbedDir } from './machine.ts';

/** A running Podman service. Images are named `localhost/<name>` in it, which short names resolve to. */
export interface Podman {
  socketPath: string;
  /** Podman's own command line. */
  command: EngineCommand;
  stop: () => Promise<void>;
}

/** Starts the service with these images. */
export async function startPodman(images: readonly ImageName[] = []): Promise<Podman> {
  if (!isRoot) throw new Lacking('Podman', 'Run the tests as root on Debian.');
  await aptInstall({ podman: 'podman', runc: 'runc' });
  const folder = join(testbedDir, 'podman');
  const run = `/var/run/debugwand-testbed/podman-${String(process.pid)}`;
  await mkdir(folder, { recursive: true });
  await mkdir(run, { recursive: true });
  const conf = join(folder, 'containers.conf');
  // The defaults ask for limits above those of a container that tests may run in. Soft and hard are the same, as
  // Podman 4.3's Docker API takes one for the other.
  await writeFile(
    conf,
    '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
  );
  const command: EngineCommand = ['env', `CONTAINERS_CONF=${conf}`, 'podman', '--root', join(folder, 'root')];
  await ensureImages(command, images);
  const socketPath = join(run, 'podman.sock');
  const [file, ...args] = command;
  const service = spawn(file, [...args, 'system', 'service', '-t', '0', `unix://${socketPath}`], { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => service.once('exit', () => resolve()));
  for (let waited = 0; !existsSync(socketPath); waited += 50) {
    if (service.exitCode !== null || waited > 20_000)
      throw new Lacking('Podman', '`podman system service` did not start.');
    await sleep(50);
  }
  return {
    socketPath,
    command,
    stop: async () => {
      service.kill('SIGTERM');
      await exited;
      await rm(run, { recursive: true, force: true });
    },
  };
}
