/** A load on the app, from this process: requests one after the other, each one timed. */

export interface Load {
  /** Ends it; the time of each request in ms. */
  stop: () => Promise<number[]>;
}

/** `lanes` requests at a time, without a pause between them. */
export function startLoad(url: string, lanes = 4): Load {
  const times: number[] = [];
  let running = true;
  const lane = async (): Promise<void> => {
    while (running) {
      const started = performance.now();
      await fetch(url).then((answer) => answer.arrayBuffer());
      times.push(performance.now() - started);
    }
  };
  const done = Promise.all(Array.from({ length: lanes }, lane));
  return {
    stop: async () => {
      running = false;
      await done;
      return times;
    },
  };
}
