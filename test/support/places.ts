/** The places where a story is told: on this machine, and in a container where Docker is to be had. */
import type { Engine } from './docker.ts';
import { IMAGES } from './images.ts';
import { startContainerApp, startLocalApp, type ContainerApp, type SampleApp } from './sample-app.ts';
import { uniqueName } from './target-stage.ts';

export interface Place {
  readonly where: 'local' | 'docker';
  readonly start: () => Promise<SampleApp | ContainerApp>;
}

/** `name`: beginning of the containers' names. */
export function places(docker: Engine | undefined, name: string): Place[] {
  const local: Place = { where: 'local', start: () => startLocalApp() };
  if (docker === undefined) return [local];
  const start = (): Promise<ContainerApp> =>
    startContainerApp(docker, { image: IMAGES.python314, name: uniqueName(name) });
  return [local, { where: 'docker', start }];
}
