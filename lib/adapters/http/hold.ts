// Holds what completes an answer until something else is done: whoever has the whole answer knows that it was.
//
// What completes an answer is `end`, with whatever it brings; or, where its length is declared, the write that makes
// it full, since the client then has everything before `end` comes. What a handler streams before that leaves at
// once, headers included. While the last piece is held, the response looks as after `end`: headers rendered and
// closed, `writableEnded`. So code that answers twice fails as it does otherwise, and can't change what was decided.

import type { ServerResponse } from 'node:http';

type HoldState =
  | { at: 'passing'; writtenBytes: number; declaredBytes: number | undefined }
  | { at: 'holding'; calls: (() => void)[] }
  | { at: 'released' };

/** Node's methods have many forms; what they are called with is passed on as it is. */
type Returning<Result> = (...args: unknown[]) => Result;

/**
 * Calls `mayLeave` once, when the answer is complete and its status is final. What completes it leaves when that
 * resolves with true; with false, the connection is destroyed instead. `mayLeave` must not reject.
 */
export function holdAnswer(response: ServerResponse, mayLeave: () => Promise<boolean>): void {
  new Hold(response, mayLeave).install();
}

class Hold {
  readonly #response: ServerResponse;
  readonly #mayLeave: () => Promise<boolean>;
  /** Those of whoever was here before: of Node, or of another middleware. */
  readonly #write: Returning<boolean>;
  readonly #end: Returning<ServerResponse>;
  readonly #writeHead: Returning<ServerResponse>;
  readonly #flushHeaders: () => void;
  #state: HoldState = { at: 'passing', writtenBytes: 0, declaredBytes: undefined };

  constructor(response: ServerResponse, mayLeave: () => Promise<boolean>) {
    this.#response = response;
    this.#mayLeave = mayLeave;
    this.#write = response.write.bind(response) as Returning<boolean>;
    this.#end = response.end.bind(response) as Returning<ServerResponse>;
    this.#writeHead = response.writeHead.bind(response) as Returning<ServerResponse>;
    this.#flushHeaders = response.flushHeaders.bind(response);
  }

  /** They stay installed and pass everything on once it is released: others may have put theirs on top. */
  install(): void {
    this.#response.write = (...args: unknown[]) => this.#onWrite(args);
    this.#response.end = (...args: unknown[]) => this.#onEnd(args);
    this.#response.writeHead = (...args: unknown[]) => {
      const state = this.#state;
      if (state.at === 'passing') state.declaredBytes = lengthIn(args) ?? state.declaredBytes;
      return this.#writeHead(...args);
    };
    this.#response.flushHeaders = () => {
      if (this.#state.at !== 'passing' || !this.#isComplete(0)) this.#flushHeaders();
      // Headers are all there is to this answer: they are rendered, and leave with its end.
      else this.#renderHeaders();
    };
  }

  #onWrite(args: unknown[]): boolean {
    const state = this.#state;
    switch (state.at) {
      case 'passing': {
        const bytes = bytesOf(args);
        // Node says what is wrong with it. What has no body sends nothing before its end.
        if (bytes === undefined || !hasBody(this.#response) || !this.#isComplete(bytes)) {
          state.writtenBytes += bytes ?? 0;
          return this.#write(...args);
        }
        this.#hold(() => void this.#write(...args));
        return true;
      }
      case 'holding':
        state.calls.push(() => void this.#write(...args));
        // More than was declared: whoever pipes waits until it is refused.
        return false;
      case 'released':
        return this.#write(...args);
      default:
        return state satisfies never;
    }
  }

  #onEnd(args: unknown[]): ServerResponse {
    const state = this.#state;
    switch (state.at) {
      case 'passing': {
        const bytes = bytesOf(args);
        if (bytes === undefined || this.#response.destroyed) return this.#end(...args);
        this.#declare(bytes);
        this.#renderHeaders();
        this.#hold(() => void this.#end(...args));
        this.#lookEnded();
        return this.#response;
      }
      case 'holding':
        state.calls.push(() => void this.#end(...args));
        this.#lookEnded();
        return this.#response;
      case 'released':
        return this.#end(...args);
      default:
        return state satisfies never;
    }
  }

  /** With `bytes` more, does the client have everything? */
  #isComplete(bytes: number): boolean {
    const { at } = this.#state;
    if (at !== 'passing') return false;
    if (!hasBody(this.#response)) return true;
    const declared = this.#state.declaredBytes ?? numberOf(this.#response.getHeader('content-length'));
    return declared !== undefined && this.#state.writtenBytes + bytes >= declared;
  }

  /** As Node does for an answer that is all in its `end`: rendering its headers early must not make it chunked. */
  #declare(bytes: number): void {
    const response = this.#response;
    if (response.headersSent || !hasBody(response)) return;
    const isDeclared = ['content-length', 'transfer-encoding', 'trailer'].some((name) =>
      response.hasHeader(name),
    );
    if (!isDeclared) response.setHeader('Content-Length', bytes);
  }

  #renderHeaders(): void {
    if (!this.#response.headersSent) this.#response.writeHead(this.#response.statusCode);
  }

  #lookEnded(): void {
    Object.defineProperty(this.#response, 'writableEnded', { configurable: true, get: () => true });
  }

  #hold(last: () => void): void {
    const calls = [last];
    this.#state = { at: 'holding', calls };
    void this.#mayLeave().then((may) => this.#release(may ? calls : undefined));
  }

  #release(calls: readonly (() => void)[] | undefined): void {
    this.#state = { at: 'released' };
    Reflect.deleteProperty(this.#response, 'writableEnded');
    if (!calls) return void this.#response.destroy();
    try {
      for (const call of calls) call();
    } catch (error) {
      // Whoever called is not there to be thrown at any more: a length that is not what was declared.
      this.#response.destroy(error as Error);
    }
  }
}

function hasBody({ statusCode, req }: ServerResponse): boolean {
  return req.method !== 'HEAD' && statusCode !== 204 && statusCode !== 304;
}

/** Of the chunk that `write` or `end` is called with; undefined for what is none. */
function bytesOf([chunk, encoding]: unknown[]): number | undefined {
  if (typeof chunk === 'string')
    return Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  if (chunk instanceof Uint8Array) return chunk.byteLength;
  return chunk === undefined || chunk === null || typeof chunk === 'function' ? 0 : undefined;
}

/** The content length among the headers that `writeHead` is called with: an object, pairs, or a flat list. */
function lengthIn(args: unknown[]): number | undefined {
  const headers = args.findLast((arg) => typeof arg === 'object' && arg !== null);
  if (headers === undefined) return undefined;
  const list: unknown[] = Array.isArray(headers) ? headers.flat() : Object.entries(headers).flat();
  const at = list.findIndex(
    (name, index) => index % 2 === 0 && String(name).toLowerCase() === 'content-length',
  );
  return at === -1 ? undefined : numberOf(list[at + 1]);
}

function numberOf(header: unknown): number | undefined {
  const number = Number(header);
  return header === undefined || !Number.isSafeInteger(number) ? undefined : number;
}
