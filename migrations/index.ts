// The steps from one format of the log to the next, in order. Format 1 is the first that was released.
//
// A step is a file here: what it changes and why, and a fixture of the format before it in test/fixtures. Its
// contract stands at `FormatStep`. `FORMAT` in lib/log/keyspace.ts is the last step's.

import type { FormatStep } from '../lib/log/migrate.js';

export const steps: readonly FormatStep[] = [];
