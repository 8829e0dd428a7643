#!/usr/bin/env node
// The process `nv-wal`.

import { prepareOutput } from './output.js';
import { run } from './program.js';

prepareOutput();
process.exitCode = await run(process.argv);
