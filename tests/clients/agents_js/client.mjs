// The OpenAI Agents SDK (`@openai/agents-realtime`, RealtimeSession over WebSocket) through the six scenarios.
import { fileURLToPath } from 'node:url';
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { complaints, expect, HEARD_MS, Inbox, Microphone, options, play, question, sleep } from '../stage/stage.mjs';

// The SDK drops an event that fails its own schema without a word; the same schema tells which and why.
const { realtimeServerEventSchema } = await import(
  new URL('node_modules/@openai/agents-realtime/dist/openaiRealtimeEvents.mjs', import.meta.url)
);
const KNOWN = new Set(realtimeServerEventSchema.options.map((option) => option.shape.type.value));

const QUESTION = question();
const TEXT = { outputModalities: ['text'] };

function check(event) {
  const { success, error } = realtimeServerEventSchema.safeParse(event);
  if (!success && KNOWN.has(event.type)) complaints.add(`silently dropped ${JSON.stringify(event)}: ${error}`);
}

/** A session of the SDK, what it emitted as [name, value], and a microphone. */
class Call {
  inbox = new Inbox();
  toolCalls = [];

  constructor(config = {}) {
    const weather = tool({
      name: 'get_weather',
      description: 'The weather of a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
      strict: true,
      execute: async (input) => {
        this.toolCalls.push(input);
        return '21 degrees';
      },
    });
    const agent = new RealtimeAgent({ name: 'Voice', instructions: 'Be brief.', tools: [weather] });
    const url = `${options.url.replace(/^http/, 'ws')}/v1/realtime?model=gpt-realtime-2.1`;
    this.session = new RealtimeSession(agent, { transport: new OpenAIRealtimeWebSocket({ url }), config });
    this.session.on('transport_event', (event) => {
      check(event);
      this.inbox.put([event.type, event]);
    });
    this.session.on('error', ({ error }) => complaints.add(`error event: ${JSON.stringify(error?.error ?? error) ?? error}`));
    this.session.on('audio', (event) => this.inbox.put(['audio', event]));
    this.session.on('audio_interrupted', () => this.inbox.put(['audio_interrupted']));
    this.session.on('agent_end', (_context, _agent, output) => this.inbox.put(['agent_end', output]));
    this.session.on('agent_tool_end', (_context, _agent, _tool, result) => this.inbox.put(['agent_tool_end', result]));
    this.session.on('history_updated', (history) => this.inbox.put(['history_updated', structuredClone(history)]));
    this.session.transport.on('connection_change', (status) => this.inbox.put(['connection_change', status]));
  }

  async open() {
    await this.session.connect({ apiKey: options.key });
    await this.until('session.updated');
    this.microphone = new Microphone((pcm) => {
      this.session.sendAudio(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.byteLength));
    });
  }

  close() {
    this.microphone?.stop();
    const { status } = this.session.transport;
    this.session.close();
    expect(status === 'connected', `the connection was ${status} before its end`);
  }

  until(name, { after = 0, where = () => true } = {}) {
    return this.inbox.until(([kind, value]) => kind === name && where(value), name, { after });
  }

  async next(name, conditions) {
    return this.inbox.all[await this.until(name, conditions)][1];
  }

  of(name) {
    return this.inbox.all.filter(([kind]) => kind === name).map(([, value]) => value);
  }
}

const during = (config, scenario) => async () => {
  const call = new Call(config);
  try {
    await call.open();
    return await scenario(call);
  } finally {
    call.close();
  }
};

const ofResponse = (id) => ({ where: (event) => event.response.id === id });

const connect = during({}, async (call) => {
  const created = await call.next('session.created');
  expect(created.session.type === 'realtime', `session type ${created.session.type}`);
  const updated = await call.next('session.updated', { where: ({ session }) => session.instructions === 'Be brief.' });
  const { input, output } = updated.session.audio;
  expect(input.turn_detection.type === 'semantic_vad', `turn_detection ${JSON.stringify(input.turn_detection)}`);
  expect(input.turn_detection.interrupt_response === true, 'interrupt_response is not told');
  expect(output.format.type === 'audio/pcm', `output format ${JSON.stringify(output.format)}`);
  expect(updated.session.tools.length === 1, 'the tool is not in the session');
  await sleep(300); // the update that turns tracing on is answered too
  return `the SDK's default configuration is accepted: ${call.of('session.updated').length} updates`;
});

const textTurn = during(TEXT, async (call) => {
  call.session.sendMessage('Say something.');
  const said = await call.next('agent_end');
  expect(said, 'agent_end has no text');
  const delta = call.of('response.output_text.delta').map((event) => event.delta);
  expect(delta.join('') === said, 'agent_end differs from the deltas');
  const { history } = call.session;
  expect(history.length === 2, `history of ${history.length} items: ${JSON.stringify(history)}`);
  expect(history[0].role === 'user' && history[0].content[0].text === 'Say something.', 'the question is not first');
  expect(history[1].content[0].text === said && history[1].status === 'completed', JSON.stringify(history[1]));
  return `${said.length} characters, history of 2`;
});

const audioTurn = during({}, async (call) => {
  call.microphone.say(QUESTION);
  const said = await call.next('agent_end');
  const { item_id } = await call.next('conversation.item.input_audio_transcription.completed');
  const retrieved = await call.next('conversation.item.retrieved', { where: ({ item }) => item.id === item_id });
  expect(retrieved.item.content[0].transcript, 'the retrieved question has no transcript');
  const asked = call.session.history.find((item) => item.itemId === item_id);
  expect(asked?.content[0].transcript, `the question in the history: ${JSON.stringify(asked)}`);
  expect(call.session.history[0] === asked, 'the question is not first in the history');
  const answer = call.session.history.find((item) => item.role === 'assistant');
  expect(answer.status === 'completed' && answer.content[0].transcript === said, JSON.stringify(answer));
  const bytes = call.of('audio').reduce((sum, event) => sum + event.data.byteLength, 0);
  expect(bytes > 10_000 && said, `${bytes} bytes of speech, text ${said}`);
  return `heard '${asked.content[0].transcript}', ${(bytes / 48_000).toFixed(1)} s of speech`;
});

const toolCall = during(TEXT, async (call) => {
  const { transport } = call.session;
  transport.sendMessage('Use get_weather to tell me about Paris.', {}, { triggerResponse: false });
  transport.requestResponse({ tool_choice: 'required' }); // for this one response: the next may speak
  const ended = await call.until('agent_tool_end');
  expect(call.toolCalls.length === 1 && 'city' in call.toolCalls[0], `tool calls: ${JSON.stringify(call.toolCalls)}`);
  const said = await call.next('agent_end', { after: ended, where: (output) => output });
  const item = call.session.history.find(({ type }) => type === 'function_call');
  expect(item?.status === 'completed' && item.output === '21 degrees', `the call in the history: ${JSON.stringify(item)}`);
  return `get_weather(${JSON.stringify(call.toolCalls[0])}), then '${said.slice(0, 30)}…'`;
});

const bargeIn = during({}, async (call) => {
  call.microphone.say(QUESTION);
  const { responseId } = await call.next('audio');
  await sleep(HEARD_MS);
  const again = call.inbox.all.length;
  call.microphone.say(QUESTION);
  const interrupted = await call.until('audio_interrupted', { after: again });
  const done = await call.until('response.done', ofResponse(responseId));
  const { status, status_details } = call.inbox.all[done][1].response;
  if (done > interrupted) {
    expect(status === 'cancelled', `the first answer went on after the barge-in: ${status}`);
    expect(status_details.reason === 'turn_detected', `reason ${status_details.reason}`);
  }
  const truncated = await call.next('conversation.item.truncated', { after: interrupted });
  await call.until('conversation.item.retrieved', { after: interrupted, where: ({ item }) => item.id === truncated.item_id });
  const second = (await call.next('response.created', { after: interrupted })).response.id;
  const last = await call.next('response.done', ofResponse(second));
  expect(last.response.status === 'completed', `second answer: ${last.response.status}`);
  const late = call.inbox.all.slice(interrupted).filter(([name, value]) => name === 'audio' && value.responseId === responseId);
  expect(late.length === 0, `${late.length} pieces of the first answer after the interruption`);
  const roles = call.session.history.map((item) => item.role).join(' ');
  expect(roles === 'user assistant user assistant', `history: ${roles}`);
  return `first answer ${status}, cut to ${truncated.audio_end_ms} ms, second completed`;
});

const truncate = during({}, async (call) => {
  call.session.sendMessage('Say something long.');
  const { responseId } = await call.next('audio');
  await sleep(1000);
  const said = call.of('response.output_audio_transcript.delta').map((event) => event.delta).join('');
  const after = call.inbox.all.length;
  call.session.interrupt();
  const truncated = await call.next('conversation.item.truncated', { after });
  await call.until('conversation.item.retrieved', { after, where: ({ item }) => item.id === truncated.item_id });
  await call.until('response.done', ofResponse(responseId));
  await sleep(200);
  const item = call.session.history.find(({ itemId }) => itemId === truncated.item_id);
  const kept = item.content[0].transcript ?? '';
  expect(said.startsWith(kept.trim()) && kept.length < said.length, `'${said}' became '${kept}'`);
  return `${truncated.audio_end_ms} ms: '${said}' became '${kept}'`;
});

const packageJson = new URL('node_modules/@openai/agents-realtime/package.json', import.meta.url);
await play('agents-js', fileURLToPath(packageJson), {
  connect,
  text_turn: textTurn,
  audio_turn: audioTurn,
  tool_call: toolCall,
  barge_in: bargeIn,
  truncate,
});
