// A service that logs through the transport: `pino-process.js HOW VAR_DIR COUNT [SINK]`. Ends in the way that it is told, and
// says with its last breath how many lines it has logged; a line's `n` is its number.

import { writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { exitOnSignals } from '../../lib/adapters/pino.js';
import type { PinoTransportOptions } from '../../lib/adapters/pino.js';
import type { HttpSinkOptions } from '../../lib/index.js';

const [how, varDir = '', countText, sink] = process.argv.slice(2);
const count = Number(countText);
const target = fileURLToPath(new URL('../../lib/adapters/pino.js', import.meta.url));
const options: PinoTransportOptions = {
  service: 'test',
  varDir,
  reserveBytes: 0,
  adopt: false,
  ...(sink !== undefined && { sink: JSON.parse(sink) as HttpSinkOptions, drainMs: 8000 }),
};
const transport = { target, options };
const log = pino(pino.transport(how === 'pipeline' ? { pipeline: [transport] } : transport));
let logged = 0;

function write(lines: number): void {
  for (let n = 0; n < lines; n++) log.info({ n: logged++ }, 'a line');
}

function writeForEver(): void {
  write(20);
  setImmediate(writeForEver);
}

process.on('exit', () => writeSync(1, `logged ${logged}\n`));

switch (how) {
  case 'end':
  case 'pipeline':
    write(count);
    break;
  case 'exit':
    // In the turn in which the worker was started: it has not read its own code yet.
    write(count);
    process.exit(0);
    break;
  case 'exit-later':
    log.flush(() => {
      write(count);
      log.info({ text: 'x'.repeat(1_100_000) }, 'too large');
      write(count);
      process.exit(3);
    });
    break;
  case 'throw':
    log.flush(() => {
      write(count);
      throw new Error('an uncaught exception');
    });
    break;
  case 'signal':
    exitOnSignals();
    log.flush(() => {
      writeSync(1, 'ready\n');
      writeForEver();
    });
    break;
  case 'kill':
    write(count);
    log.flush(() => {
      writeSync(1, `flushed ${count}\n`);
      writeForEver();
    });
    break;
  default:
    throw new TypeError(`no way to end: ${how}`);
}
