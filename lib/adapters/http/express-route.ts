// Which route of Express a request takes, as a pattern. What was asked for may hold secrets in its path: nothing of
// it gets through here.

import type { IncomingMessage } from 'node:http';

type Pattern = string | RegExp | readonly (string | RegExp)[];

/** What Express puts on a request while it routes. */
interface Routed {
  route?: { path: Pattern } | undefined;
  /** The part of the path that the routers above have matched, as it was asked for. */
  baseUrl?: string;
  app?: { router?: Router };
}

/** `listRoutes` came with router 2.3. */
interface Router {
  listRoutes?(): readonly { path: unknown; router: Router | undefined }[];
}

/** In place of the part that mounted routers have matched, where its pattern can't be known. */
const SOMEWHERE = '/…';

/**
 * Looks on while a request is routed; what it returns tells the pattern of the last route that matched. It has to
 * look at that moment: on the way out, after an error, Express takes `baseUrl` back and leaves `route` there.
 */
export function watchRoute(request: IncomingMessage): () => string | undefined {
  const routed = request as Routed;
  let route = routed.route;
  let pattern = route && patternOf(routed, route.path);
  Object.defineProperty(routed, 'route', {
    configurable: true,
    enumerable: true,
    get: () => route,
    set: (matched: Routed['route']) => {
      route = matched;
      pattern = matched && patternOf(routed, matched.path);
    },
  });
  return () => pattern;
}

function patternOf({ baseUrl = '', app }: Routed, path: Pattern): string {
  const mounted = baseUrl === '' || isMountPath(app?.router, baseUrl) ? baseUrl : SOMEWHERE;
  return `${mounted}${typeof path === 'string' || path instanceof RegExp ? String(path) : path.map(String).join(' or ')}`;
}

/** Whether it is made of mount paths, word for word: then nothing in it comes from who asked. */
function isMountPath(router: Router | undefined, base: string): boolean {
  if (base === '') return true;
  return (router?.listRoutes?.() ?? []).some(
    ({ path, router: mounted }) =>
      mounted !== undefined &&
      typeof path === 'string' &&
      base.startsWith(path) &&
      isMountPath(mounted, base.slice(path.length)),
  );
}
