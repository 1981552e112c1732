/**
 * The Python packages that tests run, each with its exact version and all that it needs: nothing is resolved at test time.
 * None of them is debugpy: bringing that is debugwand's work.
 */

const WEB = [
  'annotated-doc==0.0.7',
  'annotated-types==0.8.0',
  'anyio==4.16.0',
  'click==8.5.1',
  'fastapi==0.165.0',
  'h11==0.16.0',
  'httptools==0.9.0',
  'idna==3.20',
  'opentelemetry-api==1.45.2',
  'pydantic==2.14.3',
  'pydantic_core==2.50.4',
  'starlette==1.10.0',
  'typing-inspection==0.4.5',
  'typing_extensions==4.16.0',
  'uvicorn==0.54.0',
  'uvloop==0.23.0',
  'watchfiles==1.3.0',
] as const;

const FLASK = [
  'blinker==1.9.0',
  'flask==3.1.3',
  'itsdangerous==2.2.0',
  'jinja2==3.1.6',
  'markupsafe==3.0.4',
  'werkzeug==3.1.9',
] as const;

const DJANGO = ['asgiref==3.13.0', 'django==6.1.3', 'sqlparse==0.6.1'] as const;

const SERVERS = [
  'gunicorn==27.0.1',
  'h2==4.4.1',
  'honcho==2.0.0',
  'hpack==4.2.0',
  'hypercorn==0.18.0',
  'hyperframe==6.1.0',
  'priority==2.0.0',
  'uvicorn-worker==0.4.0',
  'watchdog==7.1.0',
  'wsproto==1.3.2',
] as const;

const CELERY = [
  'amqp==5.4.2',
  'billiard==4.3.2',
  'celery==5.7.0',
  'click-didyoumean==0.3.1',
  'click-plugins==1.1.1.2',
  'click-repl==0.4.1',
  'kombu==5.7.0',
  'packaging==25.0',
  'prompt_toolkit==3.0.53',
  'python-dateutil==2.9.0.post0',
  'redis==8.1.0',
  'six==1.17.0',
  'tzdata==2025.2',
  'tzlocal==5.4.5',
  'vine==5.1.0',
  'wcwidth==0.9.4',
] as const;

const FASTAPI_CLI = [
  'fastapi-cli==0.0.34',
  'markdown-it-py==4.3.0',
  'mdurl==0.1.2',
  'pygments==2.21.0',
  'rich==15.0.0',
  'rich-toolkit==0.20.6',
  'shellingham==1.5.4',
  'typer==0.29.2',
] as const;

/** FastAPI under uvicorn, with the compiled parts that production has. */
export const WEB_PACKAGES: readonly string[] = WEB;

/** Every server and framework of the process-tree table. */
export const ALL_PACKAGES: readonly string[] = [...WEB, ...FLASK, ...DJANGO, ...SERVERS, ...CELERY];

/** What newcomers have: the frameworks, with `fastapi dev`. */
export const NEWCOMER_PACKAGES: readonly string[] = [...WEB, ...FLASK, ...DJANGO, ...CELERY, ...FASTAPI_CLI];
