// The official Node client (`openai`, OpenAIRealtimeWS) through the six scenarios.
// It speaks wss only: --url is https, and NODE_EXTRA_CA_CERTS names the server's certificate.
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { complaints, expect, HEARD_MS, Inbox, Microphone, options, play, question, sleep } from '../stage/stage.mjs';

const QUESTION = question();
const PCM = { type: 'audio/pcm', rate: 24000 };
const SERVER_VAD = { type: 'server_vad', silence_duration_ms: 400 };
const TOOL = {
  type: 'function',
  name: 'get_weather',
  description: 'The weather of a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

/** A connection, everything that came over it, and a microphone. */
class Call {
  inbox = new Inbox();

  constructor(key = options.key) {
    const client = new OpenAI({ apiKey: key, baseURL: `${options.url}/v1` });
    this.rt = new OpenAIRealtimeWS({ model: 'gpt-realtime-2.1' }, client);
    this.rt.on('event', (event) => this.inbox.put(event));
    this.closed = new Promise((resolve) => this.rt.socket.on('close', (code) => resolve(code)));
  }

  async open() {
    this.rt.on('error', (error) => complaints.add(`error event: ${error.message}`));
    await this.until('session.created');
    this.microphone = new Microphone((pcm) => this.rt.send({ type: 'input_audio_buffer.append', audio: pcm.toString('base64') }));
  }

  async close() {
    this.microphone?.stop();
    const open = this.rt.socket.readyState === 1;
    this.rt.close();
    const code = await Promise.race([this.closed, sleep(3000)]);
    expect(!open || code === 1000, `closed with ${code}`);
  }

  until(type, { after = 0, ...fields } = {}) {
    const wanted = (event) => event.type === type && Object.entries(fields).every(([key, value]) => event[key] === value);
    return this.inbox.until(wanted, `${type} ${JSON.stringify(fields)}`, { after });
  }

  async next(type, conditions) {
    return this.inbox.all[await this.until(type, conditions)];
  }

  async done(responseId) {
    const wanted = (event) => event.type === 'response.done' && event.response.id === responseId;
    return this.inbox.all[await this.inbox.until(wanted, 'response.done')].response;
  }

  of(type, responseId) {
    return this.inbox.all.filter((event) => event.type === type && event.response_id === responseId);
  }

  async configure(session) {
    const after = this.inbox.all.length;
    this.rt.send({ type: 'session.update', session: { type: 'realtime', ...session } });
    return (await this.next('session.updated', { after })).session;
  }

  ask(text) {
    const item = { type: 'message', role: 'user', content: [{ type: 'input_text', text }] };
    this.rt.send({ type: 'conversation.item.create', item });
  }
}

const during = (scenario) => async () => {
  const call = new Call();
  try {
    await call.open();
    return await scenario(call);
  } finally {
    await call.close();
  }
};

const joined = (events) => events.map((event) => event.delta).join('');

const connect = during(async (call) => {
  expect(call.inbox.all[0].type === 'session.created', `the first event is ${call.inbox.all[0].type}`);
  const session = await call.configure({ instructions: 'Be brief.', audio: { input: { turn_detection: SERVER_VAD } } });
  expect(session.instructions === 'Be brief.', `instructions: ${session.instructions}`);
  expect(session.audio.input.turn_detection.silence_duration_ms === 400, 'turn_detection is not echoed');
  const stranger = new Call('sk-wrong');
  const refusal = await new Promise((resolve) => {
    stranger.rt.on('error', (error) => resolve(error.message));
    stranger.rt.on('session.created', () => resolve('let in'));
  });
  expect(refusal.includes('401'), `a wrong key: ${refusal}`);
  return `session.created, session.updated; a wrong key: ${refusal}`;
});

const textTurn = during(async (call) => {
  await call.configure({ output_modalities: ['text'] });
  call.ask('Say something.');
  call.rt.send({ type: 'response.create' });
  const { id } = (await call.next('response.created')).response;
  const response = await call.done(id);
  expect(response.status === 'completed', `status ${response.status}`);
  const text = joined(call.of('response.output_text.delta', id));
  expect(text && text === call.of('response.output_text.done', id)[0].text, 'done differs from the deltas');
  expect(response.output[0].content[0].text === text, 'response.done differs from the deltas');
  return `${text.length} characters`;
});

const audioTurn = during(async (call) => {
  await call.configure({
    audio: {
      input: { format: PCM, turn_detection: SERVER_VAD, transcription: { model: 'gpt-4o-mini-transcribe' } },
      output: { format: PCM, voice: 'marin' },
    },
  });
  call.microphone.say(QUESTION);
  const { item_id } = await call.next('input_audio_buffer.speech_started');
  await call.until('input_audio_buffer.speech_stopped', { item_id });
  await call.until('input_audio_buffer.committed', { item_id });
  const { id } = (await call.next('response.created')).response;
  const response = await call.done(id);
  const { transcript } = await call.next('conversation.item.input_audio_transcription.completed', { item_id });
  expect(transcript, 'nothing was heard');
  expect(response.status === 'completed', `status ${response.status}`);
  const bytes = call.of('response.output_audio.delta', id).reduce((sum, event) => sum + Buffer.from(event.delta, 'base64').length, 0);
  const said = joined(call.of('response.output_audio_transcript.delta', id));
  expect(bytes > 10_000 && said, `${bytes} bytes of speech, transcript ${said}`);
  return `heard '${transcript}', ${(bytes / 48_000).toFixed(1)} s of speech`;
});

const toolCall = during(async (call) => {
  await call.configure({ tools: [TOOL], output_modalities: ['text'] });
  call.ask('Use get_weather to tell me about Paris.');
  call.rt.send({ type: 'response.create', response: { tool_choice: { type: 'function', name: 'get_weather' } } });
  const { id } = (await call.next('response.created')).response;
  const item = (await call.done(id)).output[0];
  expect(item.type === 'function_call' && item.name === 'get_weather', `output: ${JSON.stringify(item)}`);
  expect('city' in JSON.parse(item.arguments), `arguments: ${item.arguments}`);
  const done = call.of('response.function_call_arguments.done', id)[0];
  expect(done.call_id === item.call_id && done.arguments === item.arguments, 'arguments.done differs from the item');
  const after = call.inbox.all.length;
  call.rt.send({ type: 'conversation.item.create', item: { type: 'function_call_output', call_id: item.call_id, output: '{"celsius":21}' } });
  call.rt.send({ type: 'response.create' });
  const answer = (await call.next('response.created', { after })).response;
  const response = await call.done(answer.id);
  expect(response.status === 'completed' && response.output[0].content[0].text, 'no answer to the result');
  return `${item.name}(${item.arguments})`;
});

const bargeIn = during(async (call) => {
  await call.configure({ audio: { input: { turn_detection: SERVER_VAD } } });
  call.microphone.say(QUESTION);
  const { id } = (await call.next('response.created')).response;
  await call.until('response.output_audio.delta', { response_id: id });
  await sleep(HEARD_MS);
  const again = call.inbox.all.length;
  call.microphone.say(QUESTION);
  const started = await call.until('input_audio_buffer.speech_started', { after: again });
  const ended = await call.done(id);
  const index = call.inbox.all.findIndex((event) => event.type === 'response.done' && event.response.id === id);
  if (index > started) {
    expect(ended.status === 'cancelled', `the first answer went on after the barge-in: ${ended.status}`);
    expect(ended.status_details.reason === 'turn_detected', `reason ${ended.status_details.reason}`);
  }
  const second = (await call.next('response.created', { after: started })).response;
  const response = await call.done(second.id);
  expect(response.status === 'completed', `second answer: ${response.status}`);
  const late = call.inbox.all.slice(index + 1).filter((event) => event.response_id === id);
  expect(late.length === 0, `events of the first answer after its end: ${late.map((event) => event.type)}`);
  return `first answer ${ended.status}, second completed`;
});

const truncate = during(async (call) => {
  call.ask('Say something long.');
  call.rt.send({ type: 'response.create' });
  const { id } = (await call.next('response.created')).response;
  const item = (await call.done(id)).output[0];
  const full = item.content[0].transcript;
  call.rt.send({ type: 'conversation.item.truncate', item_id: item.id, content_index: 0, audio_end_ms: 1000 });
  await call.until('conversation.item.truncated', { item_id: item.id, audio_end_ms: 1000 });
  call.rt.send({ type: 'conversation.item.retrieve', item_id: item.id });
  const cut = (await call.next('conversation.item.retrieved')).item.content[0];
  const keptMs = Buffer.from(cut.audio ?? '', 'base64').length / 48;
  expect(keptMs <= 1000, `${keptMs} ms of audio are kept`);
  expect(cut.transcript && full.startsWith(cut.transcript.trim()), `transcript '${cut.transcript}'`);
  expect(cut.transcript.length < full.length, 'the transcript is still whole');
  return `'${full}' became '${cut.transcript}'`;
});

await play('openai-node', fileURLToPath(new URL('node_modules/openai/package.json', import.meta.url)), {
  connect,
  text_turn: textTurn,
  audio_turn: audioTurn,
  tool_call: toolCall,
  barge_in: bargeIn,
  truncate,
});
