// The Socket.IO client (`socket.io-client`) carries a stream through the dubbing door, in both ways to connect.
import { fileURLToPath } from 'node:url';
import { io } from 'socket.io-client';
import { expect, Inbox, options, play, question } from '../stage/stage.mjs';

const RATE_HZ = 24_000;
const FRAGMENTS = 3;
const DURATION_MS = 400;
const FRAGMENT_BYTES = (DURATION_MS * RATE_HZ * 2) / 1000;
const FORMAT = { sample_rate_hz: RATE_HZ, channels: 1, format: 'pcm_s16le' };
const SPEECH = question();

/** A connection, what it got as [name, payload], and the transports that it had, in order. */
class Worker {
  inbox = new Inbox();
  transports = new Inbox();
  taken = 0;

  constructor(streamId, settings) {
    this.streamId = streamId;
    this.socket = io(options.url, { reconnection: false, forceNew: true, ...settings });
    this.socket.onAny((name, payload) => this.inbox.put([name, payload]));
    this.socket.on('connect_error', (error) => this.inbox.put(['connect_error', error.message]));
    this.socket.on('disconnect', (reason) => this.inbox.put(['disconnect', reason]));
    this.socket.on('connect', () => this.inbox.put(['connect']));
    const { engine } = this.socket.io;
    engine.on('open', () => this.transports.put(engine.transport.name));
    engine.on('upgrade', (transport) => this.transports.put(transport.name));
  }

  /** The payload of the next event, which must be of this name. */
  async next(name) {
    const [kind, payload] = this.inbox.all[await this.inbox.until(() => true, name, { after: this.taken })];
    this.taken += 1;
    expect(kind === name, `${kind} came in place of ${name}: ${JSON.stringify(payload)?.slice(0, 500)}`);
    return payload;
  }

  begin() {
    const config = { source_language: 'en', target_language: 'es', voice_profile: 'default', chunk_duration_ms: 6000, ...FORMAT };
    this.socket.emit('stream:init', { stream_id: this.streamId, worker_id: 'node', config });
  }

  fragmentId(number) {
    return `${this.streamId}-${number}`;
  }

  offer(number) {
    const data = SPEECH.subarray(number * FRAGMENT_BYTES, (number + 1) * FRAGMENT_BYTES);
    this.socket.emit('fragment:data', {
      fragment_id: this.fragmentId(number),
      stream_id: this.streamId,
      sequence_number: number,
      timestamp: number * DURATION_MS,
      audio: { ...FORMAT, duration_ms: DURATION_MS, data_base64: data.toString('base64') },
    });
  }
}

/** Sends the fragments, then sorts what comes: acknowledgements and results may come in between each other. */
async function dub(worker) {
  const numbers = [...Array(FRAGMENTS).keys()];
  for (const number of numbers) worker.offer(number);
  const came = { 'fragment:ack': [], 'fragment:processed': [] };
  while (came['fragment:processed'].length < FRAGMENTS) {
    const [name] = worker.inbox.all[await worker.inbox.until(() => true, 'a result', { after: worker.taken })];
    expect(name in came, `${name} came while fragments were dubbed`);
    came[name].push(await worker.next(name));
  }
  const ids = numbers.map((number) => worker.fragmentId(number)).join();
  expect(came['fragment:ack'].map((ack) => ack.fragment_id).join() === ids, JSON.stringify(came['fragment:ack']));
  for (const [number, result] of came['fragment:processed'].entries()) {
    expect(result.sequence_number === number, `result ${result.sequence_number} in place of ${number}`);
    expect(result.status === 'success', JSON.stringify(result.error));
    const { data_base64: data, ...format } = result.dubbed_audio;
    expect(format.format === FORMAT.format && format.sample_rate_hz === RATE_HZ, JSON.stringify(format));
    const audio = Buffer.from(data, 'base64');
    expect(audio.length === FRAGMENT_BYTES, `${audio.length} bytes of audio in place of ${FRAGMENT_BYTES}`);
    expect(audio.some((byte) => byte !== 0), 'the audio is silence');
  }
}

const stream = (name, settings) => async () => {
  const worker = new Worker(name, settings);
  try {
    await worker.next('connect');
    worker.begin();
    const ready = await worker.next('stream:ready');
    expect(ready.stream_id === name && ready.session_id, JSON.stringify(ready));
    await worker.transports.until((transport) => transport === 'websocket', 'a WebSocket');
    await dub(worker);
    worker.socket.emit('stream:end', { stream_id: name });
    const complete = await worker.next('stream:complete');
    expect(complete.total_fragments === FRAGMENTS, JSON.stringify(complete));
    const reason = await worker.next('disconnect');
    return `${worker.transports.all.join(', ')}; ${complete.total_fragments} fragments; ${reason}`;
  } finally {
    worker.socket.disconnect();
  }
};

await play('dubbing-js', fileURLToPath(new URL('node_modules/socket.io-client/package.json', import.meta.url)), {
  default: stream('node-default', {}),
  websocket: stream('node-websocket', { transports: ['websocket'] }),
});
