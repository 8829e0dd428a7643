// How long a log has been left alone: told by a table of signs and times.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Watch } from '../../lib/instances/watch.js';

const it = suite('instances/watch');

it('counts for as long as a log shows the same sign, from when it was first seen', () => {
  const watch = new Watch();
  assert.is(watch.aloneMs('a', 'x', 1000), 0);
  assert.is(watch.aloneMs('b', 'y', 1500), 0);
  assert.is(watch.aloneMs('a', 'x', 4000), 3000);
  assert.is(watch.aloneMs('a', 'z', 5000), 0);
  assert.is(watch.aloneMs('a', 'x', 6000), 0, 'a sign that comes back is a change all the same');
  assert.is(watch.aloneMs('b', 'y', 6000), 4500);
});

it('begins anew for one that was not alone, and forgets those that are gone', () => {
  const watch = new Watch();
  watch.aloneMs('a', 'x', 0);
  watch.aloneMs('b', 'x', 0);
  watch.reset('a');
  assert.is(watch.aloneMs('a', 'x', 10), 0);
  watch.keepOnly(new Set(['a']));
  assert.is(watch.aloneMs('a', 'x', 20), 10);
  assert.is(watch.aloneMs('b', 'x', 20), 0);
});

it.run();
