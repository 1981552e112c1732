// Owns the status page of a running daemon: each report goes into the history, and what is new to those who look at it.
import type { StatusReport } from '../core/status.ts';
import { HISTORY_MS, type Memory, news, NO_MEMORY, remember } from './history.ts';
import { type PageServerOptions, servePage } from './server.ts';

export interface PageOptions extends Pick<PageServerOptions, 'restart' | 'log' | 'port' | 'token'> {
  readonly report: () => StatusReport;
}

export interface Page {
  /** With the token; the same for as long as the page is there. */
  readonly url: string;
  /** Told each report. */
  update(report: StatusReport): void;
  close(): Promise<void>;
}

/** Changes within this are one message, ms. */
const FRAME_MS = 150;

/** Listens on a free port of 127.0.0.1. @throws Error when there is none */
export async function openPage(options: PageOptions): Promise<Page> {
  let memory: Memory = remember(NO_MEMORY, options.report(), Date.now());
  /** What those who look have been told. */
  let told = memory.history;
  let timer: NodeJS.Timeout | null = null;
  const shown = (): object => ({ now: Date.now(), report: lean(options.report()) });
  const server = await servePage({
    ...options,
    greet: () => ({ name: 'all', data: { ...shown(), history: memory.history, historyMs: HISTORY_MS } }),
  });
  const send = (): void => {
    timer = null;
    server.send({ name: 'news', data: { ...shown(), news: news(told, memory.history) } });
    told = memory.history;
  };
  return {
    url: server.url,
    update(report) {
      memory = remember(memory, report, Date.now());
      if (server.streams === 0) told = memory.history;
      else timer ??= setTimeout(send, FRAME_MS);
    },
    async close() {
      if (timer !== null) clearTimeout(timer);
      await server.close();
    },
  };
}

/** Without what the history has, and without the token. */
function lean(report: StatusReport): StatusReport {
  const targets = report.targets.map((target) => ({ ...target, reattach: { ...target.reattach, history: [] } }));
  return { ...report, daemon: { ...report.daemon, page: null }, targets };
}
