// Prometheus' own judgement, where the machine has it (Debian: prometheus).

import { spawnSync } from 'node:child_process';

export const withoutPromtool =
  spawnSync('promtool', ['--version']).status !== 0 && 'promtool is not installed (Debian: prometheus)';

/** What promtool objects to; empty where nothing. */
export function promtool(args: string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, {
    input,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return status === 0 ? '' : `${stdout}${stderr}` || `exit ${status}`;
}
