// Fastify 5: an audit event pair for each request, as a plugin. It holds the answer where node:http sends it, below
// Fastify's hooks: whatever they make of it, streams and hijacked replies too, the end event is on disk before the
// last of it leaves.

import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import type { HttpAuditOptions } from './http/options.js';
import { REQUEST_ID_HEADER, requestIdOf } from './http/request-id.js';
import { AuditedRequests, REFUSAL } from './http/requests.js';

export { HEALTH_PATHS } from './http/options.js';
export type { HttpAuditEvent, HttpAuditOptions } from './http/options.js';

export type FastifyAuditOptions = HttpAuditOptions<FastifyRequest>;

declare module 'fastify' {
  interface FastifyInstance {
    /** Audit events of requests that could not be made durable: see `auditRequests` of @nv/wal/fastify. */
    auditFailures(): number;
  }
}

const plugin: FastifyPluginAsync<FastifyAuditOptions> = async (app, options) => {
  const requests = new AuditedRequests(options);
  app.decorate('auditFailures', () => requests.failures);
  app.addHook('onRequest', async (request, reply) => {
    if (requests.skips(request.url, reply.raw)) return;
    const requestId = requestIdOf(request.headers[REQUEST_ID_HEADER]);
    void reply.header(REQUEST_ID_HEADER, requestId);
    const facts = {
      method: request.method,
      requestId,
      ip: request.ip,
      route: () => request.routeOptions.url,
      actor: () => options.actor?.(request),
    };
    if (await requests.admit(facts, reply.raw)) return;
    return reply.code(REFUSAL.status).send(REFUSAL.body);
  });
};

/**
 * A plugin that puts an audit event on disk before a request is handled, and another before the last of its answer
 * leaves. Register it before everything else.
 *
 * @example await app.register(auditRequests, { wal, service: 'gateway', failClosed: true });
 *
 * @throws {WalError} `WAL_CONFIG`, from `register`: an option does not fit.
 */
export const auditRequests = fastifyPlugin(plugin, { fastify: '5.x', name: '@nv/wal' });
