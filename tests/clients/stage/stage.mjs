// Plays the scenarios of one client in Node, a JSON line each; uses Node alone.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const RATE_HZ = 24_000;
const FRAME_MS = 20;
const FRAME_BYTES = (RATE_HZ * 2 * FRAME_MS) / 1000;
export const HEARD_MS = 600; // how much of an answer is heard before the next question interrupts it
const SCENARIO_S = 40; // longest scenario on stub engines; --patience multiplies it

export const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    key: { type: 'string' },
    audio: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    patience: { type: 'string', default: '1' },
  },
});
for (const name of ['url', 'key', 'audio']) {
  if (!options[name]) {
    process.stderr.write(`--${name} is missing\n`);
    process.exit(2);
  }
}
const patience = Number(options.patience);

/** The client did not see what the scenario promises. */
export class Mismatch extends Error {}

export function expect(claim, otherwise) {
  if (!claim) throw new Mismatch(otherwise);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What the client library logged as a warning or worse, or let rise to the process. */
export const complaints = {
  texts: [],
  add(text) {
    this.texts.push(text);
  },
  take() {
    return this.texts.splice(0);
  },
};
const spell = (thing) => (thing instanceof Error ? (thing.stack ?? String(thing)) : typeof thing === 'string' ? thing : JSON.stringify(thing));
console.error = (...things) => complaints.add(`console.error: ${things.map(spell).join(' ')}`);
console.warn = (...things) => complaints.add(`console.warn: ${things.map(spell).join(' ')}`);
process.on('uncaughtException', (error) => complaints.add(`uncaught: ${spell(error)}`));
process.on('unhandledRejection', (error) => complaints.add(`unhandled: ${spell(error)}`));

/** A mono WAV as PCM, 16 bits, 24 kHz. */
export function question() {
  const file = readFileSync(options.audio);
  let rateHz = 0;
  let data;
  for (let at = 12; at + 8 <= file.length; at += 8 + file.readUInt32LE(at + 4) + (file.readUInt32LE(at + 4) % 2)) {
    const kind = file.toString('latin1', at, at + 4);
    if (kind === 'fmt ') {
      expect(file.readUInt16LE(at + 10) === 1 && file.readUInt16LE(at + 22) === 16, 'not mono, 16 bits');
      rateHz = file.readUInt32LE(at + 12);
    } else if (kind === 'data') {
      data = file.subarray(at + 8, at + 8 + file.readUInt32LE(at + 4));
    }
  }
  expect(rateHz && data, `${options.audio}: not a WAV`);
  const last = data.length / 2 - 1;
  const out = Buffer.alloc(Math.floor((data.length / 2) * (RATE_HZ / rateHz)) * 2);
  for (let index = 0; index < out.length / 2; index += 1) {
    const position = (index * rateHz) / RATE_HZ;
    const left = Math.min(Math.floor(position), last);
    const a = data.readInt16LE(left * 2);
    const b = data.readInt16LE(Math.min(left + 1, last) * 2);
    out.writeInt16LE(Math.trunc(a + (b - a) * (position - left)), index * 2);
  }
  return out;
}

/** What has come so far, in order, and a way to wait for more. */
export class Inbox {
  all = [];
  #news = new Set();

  put(thing) {
    this.all.push(thing);
    for (const wake of [...this.#news]) wake();
  }

  /** The index of the first thing from `after` on that is wanted, waiting for it. */
  until(wanted, what, { after = 0, timeoutS = 15 } = {}) {
    return new Promise((resolve, reject) => {
      let seen = after;
      const look = () => {
        for (; seen < this.all.length; seen += 1) {
          if (wanted(this.all[seen])) {
            this.#news.delete(look);
            clearTimeout(timer);
            resolve(seen);
            return;
          }
        }
      };
      const timer = setTimeout(() => {
        this.#news.delete(look);
        reject(new Mismatch(`${what} did not come within ${timeoutS * patience} s`));
      }, timeoutS * patience * 1000);
      this.#news.add(look);
      look();
    });
  }
}

/** Never off: frames of 20 ms at the pace of the clock, silence between what it is told to say. */
export class Microphone {
  #speech = Buffer.alloc(0);
  #timer;

  constructor(send) {
    let due = performance.now();
    const tick = () => {
      for (; due <= performance.now(); due += FRAME_MS) {
        const frame = Buffer.alloc(FRAME_BYTES);
        this.#speech.copy(frame, 0, 0, FRAME_BYTES);
        this.#speech = this.#speech.subarray(FRAME_BYTES);
        send(frame);
      }
    };
    this.#timer = setInterval(tick, FRAME_MS);
  }

  say(pcm) {
    this.#speech = Buffer.concat([this.#speech, pcm]);
  }

  stop() {
    clearInterval(this.#timer);
  }
}

async function one(client, version, name, scenario) {
  const started = performance.now();
  complaints.take();
  let ok = false;
  let detail;
  let timer;
  const limit = SCENARIO_S * patience;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Mismatch(`not over within ${limit} s`)), limit * 1000);
  });
  try {
    detail = await Promise.race([scenario(), late]);
    ok = true;
  } catch (failure) {
    detail = failure instanceof Mismatch ? failure.message : spell(failure);
  } finally {
    clearTimeout(timer);
  }
  const texts = complaints.take();
  if (texts.length) {
    ok = false;
    detail = `the client complained: ${texts.map((text) => text.slice(0, 1000)).join(' ;; ')} | ${detail}`;
  }
  const ms = Math.round(performance.now() - started);
  process.stdout.write(`${JSON.stringify({ client, version, scenario: name, ok, ms, detail: detail.slice(0, 4000) })}\n`);
  return ok;
}

/** Plays all, or those of --only, and ends the process with a status that says whether all went well. */
export async function play(client, packageJson, scenarios) {
  const { version } = createRequire(import.meta.url)(packageJson);
  const unknown = options.only.filter((name) => !(name in scenarios));
  expect(unknown.length === 0, `no scenario ${unknown.join(', ')}`);
  let failed = 0;
  for (const name of options.only.length ? options.only : Object.keys(scenarios)) {
    if (!(await one(client, version, name, scenarios[name]))) failed += 1;
  }
  process.exit(failed ? 1 : 0);
}
