// A long work as lines: how far it is, now and then, and what came of it in the end. Whoever waits knows that it lives.

/** A line of such an answer. */
export type ProgressLine<Progress, Report> = { progress: Progress } | { report: Report };

/** How often it says how far it is, at most and at least, in ms. */
const EVERY_MS_MIN = 200;
const EVERY_MS_MAX = 5000;

/** `work` says how far it is as often as it likes. Ends with its report, or throws what it threw. */
export async function* progressLines<Progress, Report>(
  begin: Progress,
  work: (say: (progress: Progress) => void) => Promise<Report>,
): AsyncGenerator<ProgressLine<Progress, Report>> {
  let latest = begin;
  const done = work((progress) => (latest = progress));
  // It is thrown from where it is awaited, which may be a moment later.
  done.catch(() => {});
  const isDone = done.then(
    () => true,
    () => true,
  );
  let said: Progress | undefined;
  let quietMs = 0;
  while (!(await within(isDone, EVERY_MS_MIN))) {
    quietMs += EVERY_MS_MIN;
    if (latest === said && quietMs < EVERY_MS_MAX) continue;
    said = latest;
    quietMs = 0;
    yield { progress: latest };
  }
  yield { report: await done };
}

/** Whether a promise comes true within a time. */
async function within(isTrue: Promise<boolean>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([isTrue, late]);
  } finally {
    clearTimeout(timer);
  }
}
