// Express 5: an audit event pair for each request. Nothing of Express is imported: its requests and responses are
// node:http's, and what it adds to them is read as it is documented.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpAuditOptions } from './http/options.js';
import { REQUEST_ID_HEADER, requestIdOf } from './http/request-id.js';
import { AuditedRequests, REFUSAL } from './http/requests.js';
import { watchRoute } from './http/express-route.js';

export { HEALTH_PATHS } from './http/options.js';
export type { HttpAuditEvent, HttpAuditOptions } from './http/options.js';

export interface ExpressAuditOptions<Request extends IncomingMessage> extends HttpAuditOptions<Request> {
  /**
   * The route of a request, where the service knows better. Called for the begin event, when routing has not happened
   * yet unless the middleware stands on the route itself, and again for the end event. @default the pattern of the
   * matched route, `unknown` before that and where none matched
   */
  route?: (request: Request) => string | undefined;
}

export interface AuditMiddleware<Request extends IncomingMessage> {
  (request: Request, response: ServerResponse, next: (error?: unknown) => void): Promise<void>;
  /** Events that could not be made durable. */
  readonly failures: number;
}

/** What Express adds to a request, as far as it is needed here. */
interface ExpressAdditions {
  originalUrl?: string;
  ip?: string | undefined;
}

/**
 * Middleware that puts an audit event on disk before a request is handled, and another before the last of its
 * answer leaves. Mount it before everything else.
 *
 * @example app.use(auditRequests({ wal, service: 'gateway', actor: (req) => req.user?.id, failClosed: true }));
 *
 * @throws {WalError} `WAL_CONFIG`: an option does not fit.
 */
export function auditRequests<Request extends IncomingMessage = IncomingMessage>(
  options: ExpressAuditOptions<Request>,
): AuditMiddleware<Request> {
  const requests = new AuditedRequests(options);
  const middleware = async (
    request: Request & ExpressAdditions,
    response: ServerResponse,
    next: (error?: unknown) => void,
  ): Promise<void> => {
    if (requests.skips(request.originalUrl ?? request.url ?? '', response)) return next();
    const requestId = requestIdOf(request.headers[REQUEST_ID_HEADER]);
    response.setHeader(REQUEST_ID_HEADER, requestId);
    const matched = watchRoute(request);
    const facts = {
      method: request.method ?? '',
      requestId,
      ip: request.ip ?? request.socket.remoteAddress,
      route: () => options.route?.(request) ?? matched(),
      actor: () => options.actor?.(request),
    };
    if (await requests.admit(facts, response)) return next();
    response
      .writeHead(REFUSAL.status, { 'content-type': 'application/json' })
      .end(JSON.stringify(REFUSAL.body));
  };
  return Object.defineProperty(middleware, 'failures', {
    get: () => requests.failures,
  }) as typeof middleware & {
    failures: number;
  };
}
