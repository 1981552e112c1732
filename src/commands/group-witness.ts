// Owns the answer to "did that signal reach our whole process group, or us alone?". Node does not say who sent a signal and
// to whom. A process beside us in the group, which any such signal ends, does.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pause } from '../lib/time.ts';

/** Waits for the end of its input, which comes with ours, however that comes. A quit signal must leave no core file. */
const WITNESS = ['-c', 'ulimit -c 0; read -r end'];
/** A group gets a signal at one stroke; this is for a kernel that is between two of its members. */
const LOOKS = 6;
const LOOK_MS = 5;

export class GroupWitness {
  #process: ChildProcess | null = null;

  constructor() {
    this.#start();
  }

  /**
   * To be asked when a signal has come that would end a process that does not expect it. True: all of our group has it,
   * or whoever sent it went through our children, too.
   */
  async saw(): Promise<boolean> {
    const pid = this.#process?.pid;
    if (pid === undefined) return false;
    for (let look = 0; look < LOOKS; look += 1) {
      if (look > 0) await pause(LOOK_MS);
      if (!hasSignal(pid)) continue;
      this.#start();
      return true;
    }
    return false;
  }

  close(): void {
    this.#process?.stdin?.destroy();
    this.#process = null;
  }

  #start(): void {
    this.close();
    const witness = spawn('sh', WITNESS, { cwd: '/', stdio: ['pipe', 'ignore', 'ignore'] });
    // Without a shell nobody can tell: every signal is then passed on.
    witness.on('error', () => undefined);
    witness.stdin.on('error', () => undefined);
    witness.unref();
    this.#process = witness;
  }
}

/** It is gone, or about to go: what ends a process is pending until it does. */
function hasSignal(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
    return /^State:\s+[ZX]|^(SigPnd|ShdPnd):\s+0*[1-9a-f]/m.test(status);
  } catch {
    return true;
  }
}
