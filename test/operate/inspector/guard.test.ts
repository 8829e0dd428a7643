// Who may ask the inspector: real requests, as a browser, a foreign page and another process would send them.

import type { OutgoingHttpHeaders } from 'node:http';
import { request } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serveInspector } from '../../../lib/operate/inspector/server.js';
import type { AnyWal } from '../../helpers/wal.js';
import { withWal } from '../../helpers/wal.js';

const it = suite('operate/inspector/guard');

interface Asked {
  method?: string;
  /** Below the inspector's own path, unless it begins with a slash. */
  path?: string;
  headers?: OutgoingHttpHeaders;
  body?: string;
}

interface Answered {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

interface Served {
  wal: AnyWal;
  url: URL;
  ask(asked: Asked): Promise<Answered>;
}

async function withInspector(allowActions: boolean, use: (served: Served) => Promise<void>): Promise<void> {
  await withWal({}, async (wal) => {
    await using inspector = await serveInspector({ dir: wal.dir, allowActions });
    const url = new URL(inspector.url);
    const ask = async ({ method = 'GET', path = '', headers = {}, body }: Asked): Promise<Answered> => {
      const asking = request(new URL(path, url), { method, headers, agent: false });
      asking.end(body);
      const [response] = (await once(asking, 'response')) as [IncomingMessage];
      return { status: response.statusCode!, headers: response.headers, body: await text(response) };
    };
    await use({ wal, url, ask });
  });
}

it('answers its own address, and nobody who does not know the secret in it', async () => {
  await withInspector(false, async ({ url, ask }) => {
    assert.is(url.hostname, '127.0.0.1');
    assert.match(url.pathname, /^\/[\w-]{22}\/$/);
    assert.is((await ask({})).status, 200);
    assert.is((await ask({ path: 'report' })).status, 200);
    for (const path of ['/', '/report', '/x/report', `${url.pathname.slice(0, -2)}/report`, '/%2e%2e/'])
      assert.is((await ask({ path })).status, 404, path);
  });
});

it('a foreign host is refused: a name that somebody has pointed at this address', async () => {
  await withInspector(false, async ({ url, ask }) => {
    for (const host of [
      'evil.example',
      `evil.example:${url.port}`,
      '127.0.0.1',
      '127.0.0.1:1',
      `[::1]:${url.port}`,
    ])
      assert.is((await ask({ headers: { host } })).status, 403, host);
    assert.is((await ask({ headers: { host: `localhost:${url.port}` } })).status, 200);
  });
});

it('another origin and another site are refused, other ports of this machine included', async () => {
  await withInspector(false, async ({ url, ask }) => {
    for (const origin of [
      'https://evil.example',
      'http://127.0.0.1:1',
      `https://127.0.0.1:${url.port}`,
      'null',
    ])
      assert.is((await ask({ path: 'report', headers: { origin } })).status, 403, origin);
    for (const site of ['cross-site', 'same-site'])
      assert.is((await ask({ path: 'report', headers: { 'sec-fetch-site': site } })).status, 403, site);
    const own = { origin: url.origin, 'sec-fetch-site': 'same-origin' };
    const answered = await ask({ path: 'report', headers: own });
    assert.is(answered.status, 200);
    assert.is(answered.headers['access-control-allow-origin'], undefined);
  });
});

it('without --allow-actions nothing can be changed', async () => {
  await withInspector(false, async ({ wal, url, ask }) => {
    await wal.append('log', { n: 1 });
    const page = (await ask({})).body;
    assert.match(page, /name="nv-wal-token" content=""/);
    for (const token of ['', 'undefined', 'x']) {
      const headers = { origin: url.origin, 'nv-wal-token': token };
      assert.is((await ask({ method: 'POST', path: 'evict', headers, body: '{"maxBytes":0}' })).status, 403);
    }
    for (const method of ['PUT', 'DELETE', 'OPTIONS']) assert.is((await ask({ method })).status, 405);
    assert.is(wal.stats().streams['log']!.firstSeq, 1);
  });
});

it('with it, only the page itself acts: by POST, of its origin, with the token that it was given', async () => {
  await withInspector(true, async ({ wal, url, ask }) => {
    await wal.append('log', { n: 1 });
    const token = /name="nv-wal-token" content="([\w-]{22})"/.exec((await ask({})).body)![1]!;
    const body = '{"maxBytes":0}';
    const evict = (headers: OutgoingHttpHeaders, method = 'POST') =>
      ask({ method, path: 'evict', headers, ...(method === 'POST' && { body }) });
    const own = { origin: url.origin, 'nv-wal-token': token };
    assert.is((await evict({ origin: url.origin })).status, 403);
    assert.is((await evict({ 'nv-wal-token': token })).status, 403);
    assert.is((await evict({ ...own, 'nv-wal-token': `${token.slice(1)}x` })).status, 403);
    assert.is((await evict({ ...own, origin: 'https://evil.example' })).status, 403);
    assert.is((await evict({ ...own, 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.is((await evict(own, 'GET')).status, 404);
    assert.is(wal.stats().streams['log']!.firstSeq, 1);
    const done = await evict(own);
    assert.is(done.status, 200);
    assert.is((JSON.parse(done.body) as { evicted: number }).evicted, 1);
  });
});

it('what an action is asked is checked, and what the log refuses is said', async () => {
  await withInspector(true, async ({ url, ask }) => {
    const token = /content="([\w-]{22})"/.exec((await ask({})).body)![1]!;
    const headers = { origin: url.origin, 'nv-wal-token': token };
    const errorOf = async (path: string, body: string) => {
      const answered = await ask({ method: 'POST', path, headers, body });
      return [answered.status, (JSON.parse(answered.body) as { error: string }).error];
    };
    assert.equal(await errorOf('evict', '{}'), [409, 'evict needs a bound: maxBytes or maxAgeMs']);
    assert.equal(await errorOf('evict', '['), [409, 'expected a JSON object as the body']);
    assert.equal(await errorOf('evict', `{"a":"${'x'.repeat(5000)}"}`), [
      409,
      'a body has at most 4096 bytes',
    ]);
    assert.equal(await errorOf('nothing', '{}'), [404, 'nothing is at nothing']);
    assert.match((await errorOf('evict', '{"maxBytes":0,"kind":"none"}'))[1] as string, 'none');
  });
});

it('no answer may be framed, guessed at, kept, or run anything from elsewhere', async () => {
  await withInspector(false, async ({ ask }) => {
    for (const path of ['', 'main.js', 'report', '/elsewhere']) {
      const { headers } = await ask({ path });
      const policy = headers['content-security-policy'] as string;
      for (const part of [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
      ])
        assert.match(policy, part);
      assert.not.match(policy, /unsafe|https?:|\*/);
      assert.is(headers['x-content-type-options'], 'nosniff');
      assert.is(headers['cache-control'], 'no-store');
    }
  });
});

it('serves its own files only', async () => {
  await withInspector(false, async ({ ask }) => {
    const page = (await ask({})).body;
    const named = [...page.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, path]) => path!);
    assert.ok(named.length >= 5);
    const seen = new Set<string>();
    for (const path of named) {
      assert.not.match(path, /[:/]/);
      const { status, body } = await ask({ path });
      assert.is(status, 200, path);
      // The page's modules name each other.
      for (const [, next] of body.matchAll(/from '\.\/([\w.]+)'/g)) if (!seen.has(next!)) named.push(next!);
      seen.add(path);
    }
    for (const path of ['tsconfig.json', '../server.js', '..%2fserver.js', 'index.html', 'package.json'])
      assert.is((await ask({ path })).status, 404, path);
  });
});

it.run();
