// Owns which debugpy goes into which worker: the pinned wheels, the choice, and what of a wheel is needed inside. Pure.
import type { PythonInfo } from '../core/types.ts';

export const DEBUGPY_VERSION = '1.8.22';

/** A wheel of the public index, pinned by what pip says its SHA-256 is. */
export interface Wheel {
  /** Short, for file names and messages: "cp314-glibc-x86_64", "pure". */
  readonly name: string;
  readonly file: string;
  readonly sha256: string;
  /** What makes pip take this wheel, whatever machine and Python pip itself runs on. */
  readonly python: string;
  readonly implementation: string;
  readonly abi: string;
  readonly platform: string;
}

const compiled = (minor: string, sha256: string): Wheel => ({
  name: `cp${minor}-glibc-x86_64`,
  file: `debugpy-${DEBUGPY_VERSION}-cp${minor}-cp${minor}-manylinux_2_34_x86_64.whl`,
  sha256,
  python: minor,
  implementation: 'cp',
  abi: `cp${minor}`,
  platform: 'manylinux_2_34_x86_64',
});

/** There is no wheel for aarch64, musl or free-threaded builds: those get this one. */
const PURE: Wheel = {
  name: 'pure',
  file: `debugpy-${DEBUGPY_VERSION}-py2.py3-none-any.whl`,
  sha256: 'a9e9d3550e15ca479c59333e90845029190531f0cacfedab3b815a57bd913947',
  python: '314',
  implementation: 'py',
  abi: 'none',
  platform: 'any',
};

/** The compiled ones say glibc 2.34 and need 2.14. Best first; the last fits everything. */
export const WHEELS: readonly Wheel[] = [
  compiled('314', '0c1104233340196e5cbf5514e7dfdbb98968e730cfd7fdd6f3d72a082be838a9'),
  compiled('315', 'b7dbde1fb822d100802d505b2aed6d0813b1a0a2015d495cb8798b2215d5d1e5'),
  PURE,
];

/** The compiled wheel where one fits the worker's interpreter, libc and architecture, else the pure one. */
export function chooseWheel(python: Pick<PythonInfo, 'abi' | 'libc' | 'arch' | 'freeThreaded'>): Wheel {
  const { abi, libc, arch, freeThreaded } = python;
  if (freeThreaded || libc !== 'glibc' || arch !== 'x86_64') return PURE;
  return WHEELS.find((wheel) => wheel.abi === abi) ?? PURE;
}

/** CPython's name of the byte code that the worker reads: "cpython-314" for "3.14.8"; null when the minor is unknown. */
export function cacheTag(version: string): string | null {
  const match = /^(\d+)\.(\d+)/.exec(version);
  return match === null ? null : `cpython-${match[1] ?? ''}${match[2] ?? ''}`;
}

/** Sources, and compiled modules of Linux; the licence goes with them. */
const KEPT = /\.(py|so)$|\.dist-info\/licenses\/|ThirdPartyNotices\.txt$/;

/** Before Python 3.12 it has the threads that run already be traced. */
const HELPER = /\/pydevd_attach_to_process\/attach_linux_\w+\.so$/;

/** Never loaded by the in-process server: the adapter, the launcher, attaching by pid, set-up, tests. */
const DROPPED = [
  /(^|\/)tests\//,
  /^debugpy\/(__main__\.py$|launcher\/)/,
  /^debugpy\/adapter\/(?!__init__\.py$)/,
  /^debugpy\/common\/(messaging|singleton)\.py$/,
  /^debugpy\/server\/(cli|attach_pid_injected)\.py$/,
  /^debugpy\/_vendored\/_pydevd_packaging\.py$/,
  /\/pydevd\/(pydevd_attach_to_process|pydev_sitecustomize)\//,
  /\/pydevd\/_pydev_runfiles\/(?!__init__\.py$)/,
  /\/pydevd\/(setup_pydevd_cython|pydev_app_engine_debug_startup|pydev_coverage|pydev_run_in_console)\.py$/,
];

/** Whether a file of the wheel is needed inside the worker. */
export function needed(path: string): boolean {
  return HELPER.test(path) || (KEPT.test(path) && !DROPPED.some((pattern) => pattern.test(path)));
}
