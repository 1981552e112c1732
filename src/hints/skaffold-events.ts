// Owns the meaning of Skaffold's events (proto/v2/skaffold.proto, as its HTTP port sends them): a value in, news or null out.
// Pure, but for what each connection remembers. Skaffold 2.x sends neither fileSyncEvent nor terminationEvent there, though the
// proto has both: a sync is a round of its loop without a rollout, and its end is the end of the stream.
import { fields, isFields, number, text, time } from '../lib/fields.ts';
import type { News } from './news.ts';

const NOTHING: News = { type: 'nothing' };
const PORT_FIX =
  'tell Skaffold to leave it alone: another localPort in `portForward` of skaffold.yaml, or no --port-forward';
const MOST_WORDS = 200;

/** What the values of one connection mean; null: that is no event of Skaffold. */
export function skaffoldReader(): (value: unknown) => News | null {
  /** In the round of its loop that goes on. */
  let isRollout = false;
  return (value) => {
    const { timestamp, taskEvent } = fields(fields(value)['result']);
    const { task, status } = fields(taskEvent);
    if (task === 'Build' || task === 'Deploy') isRollout = true;
    if (task !== 'DevLoop' || typeof timestamp !== 'string') return skaffoldNews(value);
    const isSync = status === 'Succeeded' && !isRollout;
    isRollout = false;
    return isSync ? { type: 'look', at: time(timestamp), text: 'files were synced' } : NOTHING;
  };
}

/** What one of them means by itself. */
function skaffoldNews(value: unknown): News | null {
  if (!isFields(value) || !isFields(value['result'])) return null;
  const event = value['result'];
  if (typeof event['timestamp'] !== 'string') return null;
  const at = time(event['timestamp']);
  const { fileSyncEvent, taskEvent, portEvent, terminationEvent, debuggingContainerEvent } = event;
  if (isFields(fileSyncEvent)) {
    if (text(fileSyncEvent['status']) !== 'Succeeded') return NOTHING;
    const count = number(fileSyncEvent['fileCount'], 0);
    return { type: 'look', at, text: `${count === 1 ? 'a file was' : `${String(count)} files were`} synced` };
  }
  if (isFields(taskEvent)) return taskNews(text(taskEvent['task']), text(taskEvent['status']), at);
  if (isFields(portEvent)) {
    const port = number(portEvent['localPort'], 0);
    const kind = text(portEvent['resourceType']) || 'pod';
    const name = text(portEvent['resourceName']) || text(portEvent['podName']);
    return port === 0 ? NOTHING : { type: 'port', port, text: short(`${kind} ${name}`), fix: PORT_FIX };
  }
  if (isFields(terminationEvent)) {
    const message = text(fields(terminationEvent['err'])['message']);
    const how = text(terminationEvent['status']) === 'Failed' ? 'failed' : 'ended';
    return { type: 'ended', text: short(message === '' ? `Skaffold ${how}` : `Skaffold ${how}: ${message}`) };
  }
  if (isFields(debuggingContainerEvent)) return debuggedNews(debuggingContainerEvent);
  return NOTHING;
}

/** Pods change with a deployment; its end and the status check's say that they do now. */
function taskNews(task: string, status: string, at: number): News {
  if (task !== 'Deploy' && task !== 'StatusCheck') return NOTHING;
  const how = { InProgress: 'began', Succeeded: 'succeeded', Completed: 'succeeded', Failed: 'failed' }[status];
  if (how === undefined) return NOTHING;
  return { type: 'look', at, text: `${task === 'Deploy' ? 'the deployment' : 'the status check'} ${how}` };
}

function debuggedNews(event: Readonly<Record<string, unknown>>): News {
  if (text(event['status']) !== 'Started' || text(event['runtime']) !== 'python') return NOTHING;
  const pod = short(text(event['podName']));
  return {
    type: 'problem',
    error: {
      code: 'skaffold-debug',
      message: `\`skaffold debug\` put a debugpy of its own into pod ${pod}: it takes the debugger's place and does not outlive a reload`,
      fix: 'run `skaffold dev` instead: wand needs nothing in the pod',
    },
  };
}

function short(words: string): string {
  return words.length > MOST_WORDS ? `${words.slice(0, MOST_WORDS - 1)}…` : words;
}
