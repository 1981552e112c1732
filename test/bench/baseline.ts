/**
 * What a developer does without wand, in the same run: `debugpy.listen()` in the app, a new attach after each reload. The
 * client knocks every 5 ms from the save on, so that no waiting of ours counts against it.
 */
import { readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DapClient } from '../support/dap-client.ts';
import { WEB_PACKAGES } from '../support/packages.ts';
import { venv } from '../support/python.ts';
import { freePort, projectFolder } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { debugpyRequirement } from '../support/debugpy-requirement.ts';

/** The sample app with its own debugpy; it notes when its process started and when `listen` began and was done. */
const APP = (port: number): string => `import json, os, time
_before = time.time()
import debugpy
debugpy.listen(("127.0.0.1", ${String(port)}))
with open("listened.json", "w") as _file:
    _ticks = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
    _boot = time.time() - float(open("/proc/uptime").read().split()[0])
    json.dump({"pid": os.getpid(), "started": (_boot + _ticks / os.sysconf("SC_CLK_TCK")) * 1000, "before": _before * 1000, "after": time.time() * 1000}, _file)
from fastapi import FastAPI

app = FastAPI()


@app.get("/price/{amount}")
async def price(amount: int) -> dict[str, int]:
    total = amount * 3
    return {"total": total}
`;

export interface BaselineTimes {
  /** `debugpy.listen()` with its import, plus the attach until its breakpoint is verified. */
  readonly listenPlusAttach: number[];
  /** From the start of the new worker until its breakpoint is verified. */
  readonly startToVerified: number[];
}

interface Listened {
  readonly pid: number;
  readonly started: number;
  readonly before: number;
  readonly after: number;
}

export async function measureBaseline(reloads: number): Promise<BaselineTimes> {
  const environment = await venv('3.14', [...WEB_PACKAGES, debugpyRequirement()]);
  const folder = await projectFolder();
  const [httpPort, debugPort] = [await freePort(), await freePort()];
  const file = join(folder, 'app.py');
  await writeFile(file, APP(debugPort));
  const args = ['app:app', '--reload', '--port', String(httpPort)];
  const child = spawn(join(environment, 'bin', 'uvicorn'), args, { cwd: folder, stdio: 'ignore', detached: true });
  const listenPlusAttach: number[] = [];
  const startToVerified: number[] = [];
  try {
    let last = 0;
    for (let round = 0; round <= reloads; round += 1) {
      const listened = await until(() => newer(folder, last), 'the app listens', 30_000);
      last = listened.pid;
      const attaching = Date.now();
      const editor = await connect(debugPort);
      await editor.attach({ [file]: [{ line: 19 }] });
      const verified = Date.now();
      if (round > 0) {
        listenPlusAttach.push(listened.after - listened.before + (verified - attaching));
        startToVerified.push(verified - listened.started);
      }
      await until(
        () => fetch(`http://127.0.0.1:${String(httpPort)}/docs`).catch(() => null),
        'the app answers',
        30_000,
      );
      editor.destroy();
      await writeFile(file, `${APP(debugPort)}# ${String(round)}\n`);
    }
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }
  return { listenPlusAttach, startToVerified };
}

function newer(folder: string, pid: number): Listened | null {
  try {
    const listened = JSON.parse(readFileSync(join(folder, 'listened.json'), 'utf8')) as Listened;
    return listened.pid === pid ? null : listened;
  } catch {
    return null;
  }
}

async function connect(port: number): Promise<DapClient> {
  return until(() => DapClient.connect(port).catch(() => null), 'debugpy accepts', 30_000);
}
