// What a process of `npm test` imports before anything else.

import { register } from 'node:module';

process.setSourceMapsEnabled(true);
register('./compiled-hooks.js', import.meta.url);
