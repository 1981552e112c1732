/**
 * What every target promises, asked of each of them in the same words: the fake, this machine, Docker and Podman. A stage
 * puts one workload on, and does to it what a day of development does.
 */
import { readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Replica, Snapshot } from '../../src/core/types.ts';
import { DebugwandError } from '../../src/lib/errors.ts';
import type { ExecStream, Target } from '../../src/targets/target.ts';
import { until } from '../support/until.ts';
import { bytesOf, outputOf, textOf, Watching } from '../support/watching.ts';

/** What not every platform can do: run programs as another user, start helpers, end the workload, … */
export type Ability = 'users' | 'helper' | 'end' | 'pause' | 'remove' | 'rename';

/** What is done to a workload. `startAgain`: the same replica, another start; `recreate`: another one of that name. */
export type Deed = 'kill' | 'startAgain' | 'pause' | 'unpause' | 'remove' | 'recreate' | 'renameAway' | 'renameBack';

/** One workload of a platform, and a target that means it. It runs when the stage is set. */
export interface Stage {
  readonly target: Target;
  /** A Python there. */
  readonly python: string;
  /** A program there whose output is the uid that it was run with. */
  readonly whoAmI: readonly string[];
  /** True in a container: what is exec'd ends with the workload. */
  readonly execEndsWithIt: boolean;
  readonly act: (deed: Deed) => Promise<void>;
  readonly strike: () => Promise<void>;
}

const ECHO = 'import sys\nwhile b := sys.stdin.buffer.read1(65536): sys.stdout.buffer.write(b)\n';
const FOREVER = 'import time; print("up", flush=True); time.sleep(1e6)';
const never = new AbortController().signal;

/** Runs the suite on the platform; without one (`set` is undefined) it is skipped. */
export function targetContract(
  name: string,
  abilities: readonly Ability[],
  set: (() => Promise<Stage>) | undefined,
): void {
  /** A test that is none where the platform cannot do it: that is no skip. */
  const where = (ability: Ability, what: string, body: () => Promise<void>): void => {
    if (abilities.includes(ability)) test(what, body);
  };
  describe.skipIf(set === undefined)(`the target contract: ${name}`, () => {
    let stage: Stage;
    let watcher: Watching;
    let replica: Replica;

    const run = (code: string, args: readonly string[] = []): Promise<ExecStream> =>
      stage.target.exec(replica, [stage.python, '-I', '-S', '-c', code, ...args], {}, never);
    const output = async (code: string): Promise<string> => outputOf(await run(code));

    beforeAll(async () => {
      stage = await (set ?? Promise.reject.bind(Promise))();
    }, 120_000);
    afterAll(async () => {
      await stage.target.close();
      await stage.strike();
    });
    beforeEach(async () => {
      watcher = new Watching(stage.target);
      replica = await watcher.running();
    });
    afterEach(() => watcher.stop());

    describe('watch', () => {
      test('says at once what there is', async () => {
        const begin = performance.now();
        const abort = new AbortController();
        for await (const snapshot of stage.target.watch(abort.signal)) {
          expect(performance.now() - begin).toBeLessThan(2_000);
          expect(snapshot).toMatchObject({
            replicas: [{ id: replica.id, state: 'running' }],
            waitingFor: null,
            error: null,
          });
          abort.abort();
        }
      });

      test('ends as soon as its signal aborts, and leaves nothing open', async () => {
        const descriptors = (): number => readdirSync('/proc/self/fd').length;
        const cycle = async (): Promise<void> => {
          const one = new Watching(stage.target);
          await until(() => one.last, 'a first snapshot');
          const begin = performance.now();
          await one.stop();
          expect(performance.now() - begin).toBeLessThan(500);
        };
        await cycle();
        const before = descriptors();
        for (let i = 0; i < 10; i++) await cycle();
        await until(() => descriptors() <= before + 1, `${String(descriptors())} descriptors after ${String(before)}`);
      });

      test('does not begin when its signal has aborted', async () => {
        const seen: Snapshot[] = [];
        for await (const snapshot of stage.target.watch(AbortSignal.abort())) seen.push(snapshot);
        expect(seen).toEqual([]);
      });

      test('is there for several at once', async () => {
        const second = new Watching(stage.target);
        expect((await second.running()).id).toBe(replica.id);
        await second.stop();
        expect(watcher.last?.error).toBeNull();
      });
    });

    describe('exec', () => {
      test('carries bytes both ways, and its stdin can end while its stdout goes on', async () => {
        const stream = await run('import sys\nd = sys.stdin.buffer.read()\nsys.stdout.buffer.write(d[::-1])');
        const sent = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
        stream.stdin.end(sent);
        stream.stderr.resume();
        expect(await bytesOf(stream.stdout)).toEqual(Buffer.from(sent.toReversed()));
        expect(await stream.exit).toEqual({ code: 0 });
      });

      test('carries 5 MB through and back', async () => {
        const stream = await run(ECHO);
        const sent = Buffer.alloc(5_000_000, 'debugwand ');
        stream.stdin.end(sent);
        stream.stderr.resume();
        const back = await bytesOf(stream.stdout);
        expect(back.equals(sent)).toBe(true);
        expect((await stream.exit).code).toBe(0);
      });

      test('buffers little of what nobody reads yet', async () => {
        const size = 16_000_000;
        const stream = await run(`import sys\nfor _ in range(250): sys.stdout.buffer.write(b"x" * 64000)`);
        stream.stdin.end();
        stream.stderr.resume();
        await until(() => stream.stdout.readableLength > 0, 'first bytes');
        // Another one goes its whole way meanwhile: time enough to fill any buffer that has no bound.
        expect(await output('print("other")')).toBe('other');
        expect(stream.stdout.readableLength).toBeLessThan(1_000_000);
        expect((await bytesOf(stream.stdout)).length).toBe(size);
        expect((await stream.exit).code).toBe(0);
      });

      test('keeps stdout and stderr apart and gives the exit code', async () => {
        const stream = await run('import sys\nsys.stdout.write("out" * 9)\nsys.stderr.write("err" * 9)\nsys.exit(7)');
        stream.stdin.end();
        const [out, err] = await Promise.all([textOf(stream.stdout), textOf(stream.stderr)]);
        expect([out, err]).toEqual(['out'.repeat(9), 'err'.repeat(9)]);
        expect((await stream.exit).code).toBe(7);
      });

      test('gives the exit code of a program that leaves without reading', async () => {
        const stream = await run('import os; os._exit(3)');
        stream.stdin.on('error', () => undefined);
        stream.stdin.write(Buffer.alloc(1_000_000));
        stream.stdout.resume();
        stream.stderr.resume();
        expect((await stream.exit).code).toBe(3);
      });

      test('passes arguments as they are', async () => {
        const args = ['', 'a b', '"$HOME"', 'ü\n', '*'];
        const stream = await run('import sys, json; print(json.dumps(sys.argv[1:]))', args);
        stream.stdin.end();
        stream.stderr.resume();
        expect(JSON.parse(await textOf(stream.stdout))).toEqual(args);
      });

      test('names a program that is not there', async () => {
        const failure = stage.target.exec(replica, ['/no/such/python'], {}, never);
        await expect(failure).rejects.toMatchObject({ name: 'DebugwandError', code: 'exec-not-found' });
      });

      test('names a file that cannot be run', async () => {
        const failure = stage.target.exec(replica, ['/etc'], {}, never);
        await expect(failure).rejects.toMatchObject({ name: 'DebugwandError', code: 'exec-not-found' });
      });

      test('does not begin when its signal has aborted', async () => {
        await expect(stage.target.exec(replica, [stage.python], {}, AbortSignal.abort())).rejects.toThrow(/abort/i);
      });

      test('outlives the signal that it was started with', async () => {
        const abort = new AbortController();
        const stream = await stage.target.exec(replica, [stage.python, '-c', ECHO], {}, abort.signal);
        stream.stderr.resume();
        abort.abort();
        stream.stdin.end('still here');
        expect(await textOf(stream.stdout)).toBe('still here');
      });

      test('ends the stdin of the program when the wire is cut', async () => {
        const mark = `/tmp/debugwand-contract-${String(Math.random()).slice(2)}`;
        const stream = await run(
          `import sys\nprint("up", flush=True)\nsys.stdin.buffer.read()\nopen("${mark}", "w").close()`,
        );
        stream.stderr.resume();
        await until(() => stream.stdout.readableLength > 0, 'the program is up');
        stream.close();
        stream.close();
        expect(await stream.exit).toMatchObject({ code: null });
        await until(
          async () => (await output(`import os; print(os.path.exists("${mark}"))`)) === 'True',
          'the program saw its stdin end',
        );
        await output(`import os; os.unlink("${mark}")`);
      });

      where('users', 'runs as another user', async () => {
        const stream = await stage.target.exec(replica, stage.whoAmI, { user: '65534:65534' }, never);
        stream.stdin.end();
        stream.stderr.resume();
        expect((await textOf(stream.stdout)).trim()).toBe('65534');
      });

      test('leaves nothing open', async () => {
        const descriptors = (): number => readdirSync('/proc/self/fd').length;
        await output('print(1)');
        const before = descriptors();
        for (let i = 0; i < 5; i++) await output('print(1)');
        await until(() => descriptors() <= before + 1, `${String(descriptors())} descriptors after ${String(before)}`);
      });
    });

    test('one of the interpreters is a Python', async () => {
      const versions: string[] = [];
      for (const interpreter of await stage.target.interpreters(replica, never)) {
        try {
          const argv = [interpreter, '-I', '-S', '-c', 'import sys; print(sys.version_info[0])'];
          const stream = await stage.target.exec(replica, argv, {}, never);
          stream.stdin.end();
          stream.stderr.resume();
          versions.push((await textOf(stream.stdout)).trim());
          break;
        } catch (error) {
          expect(stage.target.explain(error).code).toBe('exec-not-found');
        }
      }
      expect(versions).toEqual(['3']);
    });

    test('explains whatever is thrown at it', () => {
      const own = new DebugwandError({ code: 'mine', message: 'm', fix: 'f' });
      expect(stage.target.explain(own)).toBe(own);
      for (const thrown of [new Error('broken'), 'text', undefined, { statusCode: 500, json: { message: 'm' } }]) {
        const explained = stage.target.explain(thrown);
        expect(explained).toBeInstanceOf(DebugwandError);
        expect(explained.code).toMatch(/^[a-z-]+$/);
        expect(explained.fix.length).toBeGreaterThan(10);
      }
    });

    where('helper', 'a helper has the right to trace, and sees the processes of the replica', async () => {
      const code = `import os
caps = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")][0]
print(os.getuid(), int(caps, 16) >> 19 & 1, open("/proc/1/cmdline").read().replace("\\0", " "))`;
      const { execHelper } = stage.target;
      if (execHelper === null) throw new Error('it should have helpers');
      const stream = await execHelper(replica, [stage.python, '-c', code], never);
      stream.stdin.end();
      stream.stderr.resume();
      const [uid, ptrace, ...command] = (await textOf(stream.stdout)).trim().split(' ');
      expect([uid, ptrace]).toEqual(['0', '1']);
      expect(command.join(' ')).toBe(await output('print(open("/proc/1/cmdline").read().replace("\\0", " "))'));
    });

    where('end', 'killed while something is exec’d: it all ends, and is back after a start', async () => {
      const stream = await run(FOREVER);
      stream.stderr.resume();
      await until(() => stream.stdout.readableLength > 0, 'the program is up');
      await stage.act('kill');
      await watcher.waiting('the workload was killed');
      if (stage.execEndsWithIt) {
        stream.stdout.resume();
        expect((await stream.exit).code).not.toBe(0);
      }
      stream.close();
      await stream.exit;
      await expect(run('pass')).rejects.toMatchObject({ code: 'replica-gone' });
      await stage.act('startAgain');
      const next = await watcher.running();
      expect(next.id).toBe(replica.id);
      expect(next.startedAt).not.toBe(replica.startedAt);
      replica = next;
      expect(await output('print("back")')).toBe('back');
    });

    where('pause', 'paused and let go on', async () => {
      await stage.act('pause');
      const { replicas } = await watcher.waiting('the workload is paused');
      expect(replicas).toMatchObject([{ id: replica.id, state: 'paused' }]);
      await stage.act('unpause');
      expect((await watcher.running()).startedAt).toBe(replica.startedAt);
      expect(await output('print("on")')).toBe('on');
    });

    where('remove', 'removed, and created again under the same name', async () => {
      await stage.act('remove');
      const { replicas } = await watcher.waiting('the workload was removed', /does not exist|^no pod/);
      expect(replicas).toEqual([]);
      await expect(run('pass')).rejects.toMatchObject({ code: 'replica-gone' });
      await stage.act('recreate');
      const next = await watcher.running();
      expect(next.id).not.toBe(replica.id);
      replica = next;
      expect(await output('print("new")')).toBe('new');
    });

    where('rename', 'renamed: no longer meant by its name', async () => {
      await stage.act('renameAway');
      await watcher.waiting('the workload was renamed', /did you mean `.*-away`/);
      await stage.act('renameBack');
      expect((await watcher.running()).id).toBe(replica.id);
    });
  });
}
