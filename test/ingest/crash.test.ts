import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createIngestHandler, openLevelStore, openPostgresStore } from '../../lib/ingest/index.js';
import type { IngestStore } from '../../lib/ingest/index.js';
import { recordLine } from '../../lib/records.js';
import { loader } from '../helpers/compile.js';
import { post, withFolder } from '../helpers/receiver.js';
import type { Posted } from '../helpers/receiver.js';
import { postgresMissing, startPostgres } from '../helpers/postgres.js';
import { skipIf } from '../helpers/skip.js';

const it = suite('ingest/crash');

const WRITER = '0123456789ABCDEF';

interface Running {
  url: string;
  child: ChildProcess;
  errors: () => string;
}

/** Runs a receiver in its own process, behind `before`, and makes sure that it is gone afterwards. */
async function withProcess(
  dir: string,
  before: string,
  use: (running: Running) => Promise<void>,
): Promise<void> {
  const script = fileURLToPath(new URL('receiver-process.ts', import.meta.url));
  const node = [process.execPath, '--import', loader(), script, dir];
  const child = spawn('sh', ['-c', `${before} exec "$@"`, 'sh', ...node], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  try {
    const lines = createInterface(child.stdout);
    const first = await Promise.race([once(lines, 'line'), exited]);
    if (typeof first[0] !== 'string' || !first[0].startsWith('http')) throw new Error(errors);
    await use({ url: first[0], child, errors: () => errors });
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

/** Lines `from` to `to`, each of about `bytes` bytes. */
function linesOf(from: number, to: number, bytes = 200): string {
  const record = JSON.stringify({ pad: 'x'.repeat(bytes) });
  let all = '';
  for (let seq = from; seq <= to; seq++) all += recordLine(WRITER, 'audit', seq, record);
  return all;
}

const send = (url: string, body: string): Promise<Posted> => post(`${url}/api/audit/v1/ingest`, body);

async function seqsIn(store: IngestStore): Promise<Set<number>> {
  const seqs = new Set<number>();
  for await (const { id } of store.lines('audit')) seqs.add(Number(id.split(':').at(-1)));
  return seqs;
}

/** A place for a store, and how to open it there. */
interface Place {
  at: string;
  open: () => Promise<IngestStore>;
  /** Resolves when nobody writes for the killed process any more. */
  quiet?: () => Promise<void>;
}

async function killedInTheMiddle({ at, open, quiet }: Place, kills: number): Promise<void> {
  const size = 50;
  const answered = new Set<number>();
  let next = 0;
  for (let kill = 1; kill <= kills; kill++) {
    await withProcess(at, '', async ({ url, child }) => {
      const killAt = answered.size + 20 + kill;
      const work = async () => {
        for (;;) {
          const batch = next++;
          // Broken off by the kill: not answered, so nothing is promised.
          const { status } = await send(url, linesOf(batch * size + 1, (batch + 1) * size));
          assert.is(status, 200);
          answered.add(batch);
          if (answered.size >= killAt) child.kill('SIGKILL');
        }
      };
      const ends = await Promise.allSettled([work(), work(), work(), work()]);
      // What fetch says of a connection that broke; anything else is a claim that failed.
      for (const end of ends) assert.instance((end as PromiseRejectedResult).reason, TypeError);
    });
    await quiet?.();
    await using store = await open();
    const stored = await seqsIn(store);
    assert.is(await store.count('audit'), stored.size);
    for (const batch of answered) {
      for (let seq = batch * size + 1; seq <= (batch + 1) * size; seq++) {
        assert.ok(stored.has(seq), `batch ${batch} was answered for, and seq ${seq} is not there`);
      }
    }
    // Not answered is still all or nothing.
    assert.is(stored.size % size, 0);
    const again = [...answered].at(-1)!;
    const response = await createIngestHandler({ store, auth: false })(
      new Request('http://x/api/audit/v1/ingest', {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: linesOf(again * size + 1, (again + 1) * size),
      }),
    );
    assert.equal(await response.json(), { accepted: 0, duplicates: size, rejected: [] });
  }
}

/** The server ends what a client had begun when it was killed, and only then finds that nobody is there. */
async function aloneAt(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const others = `SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;
    while ((await client.query(others)).rowCount !== 0);
  } finally {
    await client.end();
  }
}

it('what was answered with 200 is there after a SIGKILL, and is a duplicate when it comes again', async () => {
  await withFolder(async (folder) => {
    const at = join(folder, 'store');
    await killedInTheMiddle({ at, open: () => openLevelStore(at) }, 3);
  });
});

skipIf(it, postgresMissing)('the same holds for a receiver whose store is PostgreSQL', async () => {
  const server = await startPostgres();
  try {
    const at = server.url;
    await killedInTheMiddle({ at, open: () => openPostgresStore(at), quiet: () => aloneAt(at) }, 1);
  } finally {
    await server.stop();
  }
});

it('a write that the disk refuses is a 503, and nothing that was answered for is lost', async () => {
  await withFolder(async (folder) => {
    const dir = join(folder, 'store');
    const answered: number[] = [];
    let refusals = 0;
    // No file of the receiver may pass this size, so LevelDB's log hits it: 4 or 8 MiB, as the shell counts.
    await withProcess(dir, 'ulimit -f 8192;', async ({ url, errors }) => {
      for (let batch = 0; batch < 16; batch++) {
        const body = linesOf(batch * 100 + 1, (batch + 1) * 100, 10_000);
        let posted = await send(url, body);
        for (let attempt = 1; posted.status !== 200; attempt++) {
          assert.equal([posted.status, posted.error?.code], [503, 'unavailable']);
          assert.ok(attempt < 5, `refused ${attempt} times: ${errors()}`);
          refusals++;
          posted = await send(url, body);
        }
        const { accepted, duplicates, rejected } = posted.answer;
        assert.is(accepted + duplicates, 100);
        assert.equal(rejected, []);
        answered.push(batch);
      }
      assert.ok(refusals > 0, 'the limit was not reached');
      assert.match(errors(), `can't write to the store ${dir}`);
    });
    await using store = await openLevelStore(dir);
    assert.is((await seqsIn(store)).size, answered.length * 100);
    assert.is(await store.count('audit'), answered.length * 100);
  });
});

it.run();
