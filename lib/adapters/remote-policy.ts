// A policy that a service answers (ADR-0016's runtime config): asked for in the background, the last good answer kept.
// A log call never waits for it.

import { ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import type { CircuitBreakerPolicy } from 'cockatiel';
import { WalError, systemClock } from '../index.js';
import type { Clock, TokenProvider } from '../index.js';
import { checkInteger, checkKnown, expected, messageOf } from './misuse.js';
import { decide, readAnswer } from './policy-answer.js';
import type { PolicyAnswer, PolicyRules } from './policy-answer.js';
import { PolicyRequests } from './policy-request.js';
import { persistByDefault } from './policy.js';
import type { PolicyFunction, ServicePolicy } from './policy.js';

export interface RemotePolicyOptions {
  /** `GET <url>?service=<service>` answers a `PolicyAnswer`. http or https. */
  url: string;
  /** After how long it is asked again, a tenth more or less, in ms. Integer >= 1000. @default 60_000 */
  ttlMs?: number;
  /** How long one answer may take, in ms. Integer >= 1. @default 5000 */
  timeoutMs?: number;
  /** How long nothing is asked after five failures in a row, in ms. Integer >= 1. @default 60_000 */
  breakerOpenMs?: number;
  /** Brings the bearer token; without it, no `authorization` is sent. */
  token?: TokenProvider;
  /** What holds before the first answer, and for what answers don't mention. @default persistByDefault */
  fallback?: PolicyFunction;
  /** Called with what operators should know. What it throws is ignored. */
  onEvent?: (event: PolicyEvent) => void;
  /** For tests: another source of time. */
  clock?: Clock;
}

export type PolicyEvent =
  /** Another answer than before holds from now on; also the first. */
  | { type: 'policy-changed'; service: string; answer: PolicyAnswer }
  /** It can't be had; what was answered last holds. Raised once until it can. */
  | { type: 'policy-failing'; service: string; message: string }
  | { type: 'policy-recovered'; service: string };

export interface RemotePolicy extends ServicePolicy, AsyncDisposable {
  /** What was answered last. */
  readonly answer: PolicyAnswer | undefined;
  /** Asks now. Resolves with whether an answer came; callers share one request. Never rejects. */
  refresh(): Promise<boolean>;
  /** Asks no more; what was answered last holds. */
  close(): Promise<void>;
}

const FAILURES_MAX = 5;
/** The first wait after a failure, doubled at each further one up to the time to live, in ms. */
const RETRY_MS = 1000;
const JITTER = 0.1;

/**
 * A policy for one service's loggers. The first `createLogger` that gets it begins to ask.
 *
 * @throws {WalError} `WAL_CONFIG`.
 */
export function remotePolicy(options: RemotePolicyOptions): RemotePolicy {
  return new Remote(options);
}

type State = { at: 'idle' } | { at: 'following'; service: string; loop: Promise<void> } | { at: 'closed' };

class Remote implements RemotePolicy {
  readonly #requests: PolicyRequests;
  readonly #breaker: CircuitBreakerPolicy;
  readonly #ttlMs: number;
  readonly #fallback: PolicyFunction;
  readonly #onEvent: (event: PolicyEvent) => void;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  #state: State = { at: 'idle' };
  #rules: PolicyRules | undefined;
  #failures = 0;
  #asking: Promise<boolean> | undefined;

  constructor(options: RemotePolicyOptions) {
    const { url, token, fallback = persistByDefault, onEvent = () => {}, clock = systemClock } = options;
    checkKnown('remotePolicy', options, OPTION_NAMES);
    const timeoutMs = checkInteger('timeoutMs', options.timeoutMs ?? 5000, 1);
    this.#ttlMs = checkInteger('ttlMs', options.ttlMs ?? 60_000, 1000);
    this.#requests = new PolicyRequests({ url: checkUrl(url), timeoutMs, token });
    const halfOpenAfter = checkInteger('breakerOpenMs', options.breakerOpenMs ?? 60_000, 1);
    this.#breaker = circuitBreaker(handleAll, {
      halfOpenAfter,
      breaker: new ConsecutiveBreaker(FAILURES_MAX),
    });
    this.#fallback = fallback;
    this.#onEvent = onEvent;
    this.#clock = clock;
  }

  get answer(): PolicyAnswer | undefined {
    return this.#rules?.answer;
  }

  follow(service: string): PolicyFunction {
    if (this.#state.at === 'closed') throw new WalError('WAL_CONFIG', 'the policy is closed');
    if (this.#state.at === 'following' && this.#state.service !== service) {
      const whose = `the policy is followed by '${this.#state.service}'`;
      throw new WalError('WAL_CONFIG', `${whose}: make another one for '${service}'`);
    }
    if (this.#state.at === 'idle') this.#state = { at: 'following', service, loop: this.#run(service) };
    return (question) => {
      if (this.#rules === undefined) return this.#fallback(question);
      return decide(this.#rules, question, this.#clock.now(), this.#fallback);
    };
  }

  async refresh(): Promise<boolean> {
    if (this.#state.at !== 'following') return false;
    return await this.#ask(this.#state.service);
  }

  async close(): Promise<void> {
    const loop = this.#state.at === 'following' ? this.#state.loop : undefined;
    this.#state = { at: 'closed' };
    this.#stopping.abort();
    await this.#requests.close();
    await loop;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(service: string): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#ask(service);
      await this.#clock.sleep(this.#pauseMs(), signal);
    }
  }

  #pauseMs(): number {
    if (this.#failures === 0) return this.#ttlMs * (1 + JITTER * (2 * Math.random() - 1));
    const most = Math.min(this.#ttlMs, RETRY_MS * 2 ** this.#failures);
    return most * (0.5 + Math.random() / 2);
  }

  #ask(service: string): Promise<boolean> {
    this.#asking ??= this.#askOnce(service).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askOnce(service: string): Promise<boolean> {
    try {
      // An answer that does not fit is a failure like none at all.
      this.#take(
        service,
        await this.#breaker.execute(async () => readAnswer(await this.#requests.ask(service))),
      );
      return true;
    } catch (error) {
      if (this.#stopping.signal.aborted) return false;
      this.#failures++;
      if (this.#failures === 1) this.#tell({ type: 'policy-failing', service, message: messageOf(error) });
      return false;
    }
  }

  #take(service: string, rules: PolicyRules): void {
    const before = JSON.stringify(this.#rules?.answer);
    const hadFailed = this.#failures > 0;
    this.#failures = 0;
    this.#rules = rules;
    if (hadFailed) this.#tell({ type: 'policy-recovered', service });
    const { answer } = rules;
    if (JSON.stringify(answer) !== before) this.#tell({ type: 'policy-changed', service, answer });
  }

  #tell(event: PolicyEvent): void {
    try {
      this.#onEvent(event);
    } catch {
      // An observer must not be able to break what it observes.
    }
  }
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof RemotePolicyOptions>([
  'url',
  'ttlMs',
  'timeoutMs',
  'breakerOpenMs',
  'token',
  'fallback',
  'onEvent',
  'clock',
]);

function checkUrl(value: unknown): URL {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url && ['http:', 'https:'].includes(url.protocol) && !url.username && !url.password) return url;
  throw expected(
    'url',
    'an http(s) URL without user',
    typeof value === 'string' ? value.replace(/\/\/.*@/, '//[user]@') : value,
  );
}
