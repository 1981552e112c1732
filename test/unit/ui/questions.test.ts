import { expect, test, vi } from 'vitest';
import { Questions } from '../../../src/ui/questions.ts';

const never = new AbortController().signal;

test('one question at a time, answered in turn', async () => {
  const onChange = vi.fn();
  const questions = new Questions(onChange);
  expect(questions.answer(true)).toBe(false);
  const [first, second] = [questions.ask('one?', never), questions.ask('two?', never)];
  expect(questions.current).toBe('one?');
  expect(questions.answer(true)).toBe(true);
  expect(await first).toBe(true);
  expect(questions.current).toBe('two?');
  questions.answer(false);
  expect(await second).toBe(false);
  expect(questions.current).toBeNull();
  expect(onChange).toHaveBeenCalledTimes(4);
});

test('a question whose asker gave up is withdrawn, the next one stays', async () => {
  const questions = new Questions(() => undefined);
  const gone = new AbortController();
  const first = questions.ask('one?', gone.signal);
  const second = questions.ask('two?', never);
  gone.abort(new Error('the worker is gone'));
  await expect(first).rejects.toThrow('the worker is gone');
  expect(questions.current).toBe('two?');
  questions.answer(true);
  expect(await second).toBe(true);
  const late = questions.ask('three?', gone.signal);
  await expect(late).rejects.toThrow('the worker is gone');
  expect(questions.current).toBeNull();
});

test('the end means no', async () => {
  const questions = new Questions(() => undefined);
  const open = questions.ask('one?', never);
  questions.close();
  expect(await open).toBe(false);
  expect(await questions.ask('two?', never)).toBe(false);
});
