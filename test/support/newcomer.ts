/** Projects as newcomers to debugwand have them, and an editor that attaches as the launch.json says that `wand init` wrote. */
import { chmod, readFile, symlink, writeFile } from 'node:fs/promises';
import { parseJsonc } from '../../src/lib/jsonc.ts';
import type { DapClient } from './dap-client.ts';
import { folder, type Folder } from './folder.ts';
import { connectEditor } from './invariants.ts';
import { lookAt } from './rig.ts';
import { until } from './until.ts';

/** Answers with 42; the breakpoint of all stories is at that line. */
const ANSWER = 'answer = 42';

const FASTAPI = `from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def root():
    ${ANSWER}
    return {"answer": answer}
`;

const FLASK = `from flask import Flask


def create_app():
    app = Flask(__name__)

    @app.route("/")
    def index():
        ${ANSWER}
        return {"answer": answer}

    return app
`;

/** The port is the test's; all else as \`django-admin startproject\` makes it. */
const MANAGE = `#!/usr/bin/env python
import os
import sys


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line
    from django.core.management.commands.runserver import Command

    Command.default_port = os.environ.get("PORT", "8000")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
`;
const SETTINGS = `SECRET_KEY = "x"
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["django.contrib.staticfiles"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
STATIC_URL = "static/"
USE_TZ = True
`;
const VIEWS = `from django.http import JsonResponse


def index(request):
    ${ANSWER}
    return JsonResponse({"answer": answer})
`;
const URLS = 'from django.urls import path\n\nfrom . import views\n\nurlpatterns = [path("", views.index)]\n';

const CELERY = `import os

from celery import Celery

app = Celery("shop", broker=os.environ["BROKER"])


@app.task
def add(x, y):
    ${ANSWER}
    print(f"the answer is {answer}")
    return answer
`;

export const FILES = {
  fastapi: { 'app/__init__.py': '', 'app/main.py': FASTAPI },
  flask: { 'shop/__init__.py': FLASK },
  django: {
    'manage.py': MANAGE,
    'shop/__init__.py': '',
    'shop/settings.py': SETTINGS,
    'shop/urls.py': URLS,
    'shop/views.py': VIEWS,
  },
  celery: { 'shop/__init__.py': '', 'shop/tasks.py': CELERY },
} as const;

/** A project's folder; `environment`: what its .venv is. */
export async function projectOf(
  files: Readonly<Record<string, string>>,
  environment: string | null = null,
): Promise<Folder> {
  const project = await folder(files);
  // Whoever a container runs as must be able to read it.
  await chmod(project.path, 0o755);
  if (environment !== null) await symlink(environment, project.at('.venv'));
  return project;
}

interface Entry {
  readonly name: string;
  readonly request: string;
  readonly connect: { readonly host: string; readonly port: number };
  readonly pathMappings?: readonly { readonly localRoot: string; readonly remoteRoot: string }[];
}

/** .vscode/launch.json, with VS Code's variable for the folder replaced, as VS Code does. */
export async function launchOf(project: Folder): Promise<{
  readonly configurations: readonly Entry[];
  readonly compounds?: readonly { readonly configurations: readonly string[] }[];
}> {
  const text = await readFile(project.at('.vscode', 'launch.json'), 'utf8');
  const parsed = parseJsonc(text.replaceAll('${workspaceFolder}', project.path));
  if ('error' in parsed) throw new Error(parsed.error.message);
  return parsed.value as Awaited<ReturnType<typeof launchOf>>;
}

/** F5 on one of its entries, with the breakpoint of all stories. */
export class LaunchedEditor {
  readonly editor: DapClient;
  readonly #file: string;
  readonly #line: number;

  private constructor(editor: DapClient, file: string, line: number) {
    this.editor = editor;
    this.#file = file;
    this.#line = line;
  }

  /** `file`: of the project, the one that holds the answer. */
  static async start(project: Folder, file: string, name: string): Promise<LaunchedEditor> {
    const { configurations } = await launchOf(project);
    const entry = configurations.find((one) => one.name === name);
    if (entry === undefined) throw new Error(`launch.json has no ${name}`);
    const editor = await connectEditor(entry.connect.port);
    const path = project.at(file);
    const lines = (await readFile(path, 'utf8')).split('\n');
    const line = lines.findIndex((text) => text.includes(ANSWER)) + 1;
    await editor.attach({ [path]: [{ line }] }, { attach: entry });
    return new LaunchedEditor(editor, path, line);
  }

  /** Waits until the breakpoint is set in a worker that came after the mark. */
  async isSet(after = 0): Promise<void> {
    const isAttached = (body: Record<string, unknown>): boolean =>
      String(body['output']).startsWith('attached to worker');
    await this.editor.waitFor('output', isAttached, { after, timeoutMs: 40_000 });
  }

  /** Does what makes the worker another one, and waits until the breakpoint is set in that. */
  async reloaded(cause: () => Promise<unknown>): Promise<void> {
    const after = this.editor.mark();
    await cause();
    await this.isSet(after);
  }

  /** Has it serve, sees the stop where the editor's file says it is, and goes on. Gives what was answered. */
  async hit<T>(ask: () => Promise<T>): Promise<T> {
    const after = this.editor.mark();
    const answer = ask();
    answer.catch(() => undefined);
    const stopped = await this.editor.waitFor('stopped', undefined, { after, timeoutMs: 20_000 });
    const stop = await lookAt(this.editor, stopped);
    if (stop.path !== this.#file || stop.line !== this.#line)
      throw new Error(`stopped at ${stop.path}:${String(stop.line)}, not at ${this.#file}:${String(this.#line)}`);
    await this.editor.request('continue', { threadId: stop.threadId });
    return answer;
  }
}

/** Saves the file with another answer. Another size: byte code counts as fresh while seconds and size are the same. */
export async function changeAnswer(project: Folder, file: string, answer: string): Promise<void> {
  const text = await readFile(project.at(file), 'utf8');
  await writeFile(project.at(file), text.replace(/answer = \d+/, `answer = ${answer}`));
}

/** GET / until it answers. */
export async function answerOf(url: string): Promise<unknown> {
  const response = await until(
    () => fetch(url, { signal: AbortSignal.timeout(30_000) }).catch(() => null),
    `${url} answers`,
    30_000,
  );
  return response.json();
}
