/** Round trips through the keeper while stopped: step, stackTrace, variables. */
import { BREAKPOINT_LINE } from '../support/sample-app.ts';
import { startRun, type Place } from './wand-run.ts';

export async function measureRoundTrips(
  rounds: number,
  place: Place = 'docker',
): Promise<{ step: number[]; stackTrace: number[]; variables: number[] }> {
  const run = await startRun(place);
  const times = { step: [] as number[], stackTrace: [] as number[], variables: [] as number[] };
  try {
    // One line before the last: a step from the last one leaves the code that is the user's.
    const editor = await run.attach(BREAKPOINT_LINE - 1);
    for (let round = 0; round < rounds; round += 1) {
      let mark = editor.mark();
      const answer = run.app.price(round);
      const { threadId } = (await editor.waitFor('stopped', undefined, { after: mark })).body as { threadId: number };
      const timed = async <T>(kind: keyof typeof times, act: () => Promise<T>): Promise<T> => {
        const started = performance.now();
        const result = await act();
        times[kind].push(performance.now() - started);
        return result;
      };
      const { stackFrames } = await timed('stackTrace', () =>
        editor.request<{ stackFrames: { id: number }[] }>('stackTrace', { threadId, levels: 20 }),
      );
      const { scopes } = await editor.request<{ scopes: { variablesReference: number }[] }>('scopes', {
        frameId: stackFrames[0]?.id,
      });
      await timed('variables', () =>
        editor.request('variables', { variablesReference: scopes[0]?.variablesReference }),
      );
      mark = editor.mark();
      const stopped = editor.next('stopped');
      await timed('step', async () => {
        await editor.request('next', { threadId });
        await stopped;
      });
      await editor.request('continue', { threadId });
      await answer;
    }
    await editor.disconnect();
  } finally {
    await run.stop();
  }
  return times;
}
