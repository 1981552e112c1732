/** A real browser: Debian's chromium, without a screen, driven by Playwright. */
import { chromium, type BrowserContext } from 'playwright-core';
import { aptInstall } from './debian.ts';
import { folder } from './folder.ts';
import { which } from './machine.ts';

/** Nothing that the browser asks of the network by itself. */
const ARGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser with a profile of its own, gone with it. */
export interface Browser extends AsyncDisposable {
  readonly context: BrowserContext;
}

/** @throws Lacking where chromium is not installed and cannot be */
export async function ensureBrowser(): Promise<string> {
  await aptInstall({ chromium: 'chromium' });
  return which('chromium') ?? 'chromium';
}

/** Starts it. `width`, `height`: of its pages, CSS pixels. */
export async function startBrowser(
  size: { readonly width: number; readonly height: number } = { width: 1280, height: 800 },
): Promise<Browser> {
  const executablePath = await ensureBrowser();
  const profile = await folder();
  const context = await chromium.launchPersistentContext(profile.path, {
    executablePath,
    headless: true,
    chromiumSandbox: false,
    args: ARGS,
    viewport: size,
  });
  return {
    context,
    [Symbol.asyncDispose]: async () => {
      await context.close();
      await profile[Symbol.asyncDispose]();
    },
  };
}
