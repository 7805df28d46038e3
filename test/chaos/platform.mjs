// Stands for a chat platform, in a process of its own that nobody kills: keeps every message and counts what is done
// to it. Like Discord it takes a nonce with a new message and answers the same nonce with the message it made before.
import { createServer } from 'node:http';

/** By delivery: its messages, and every call that made or changed one. */
const deliveries = new Map();
let messages = 0;

const of = (id) => {
  const known = deliveries.get(id) ?? { messages: new Map(), edits: 0, finals: [], undone: 0 };
  deliveries.set(id, known);
  return known;
};

const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const answer = (value) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(value));
  };
  if (request.url === '/report') {
    const report = [...deliveries].map(([id, { messages: made, edits, finals, undone }]) => ({
      ...{ id, edits, finals, undone },
      messages: made.size,
      finished: [...made.values()].filter(({ final }) => final).length,
    }));
    answer(report);
    return;
  }
  const { delivery: id, nonce, message, state, text, final } = JSON.parse(body);
  const delivery = of(id);
  if (request.url === '/create') {
    const made = [...delivery.messages.values()].find((one) => one.nonce === nonce);
    if (made === undefined) messages += 1;
    const key = made?.key ?? `m${messages}`;
    if (made === undefined) delivery.messages.set(key, { key, nonce, final: false });
    answer({ message: key });
    return;
  }
  const edited = delivery.messages.get(message);
  if (edited === undefined) {
    response.statusCode = 404;
    answer({});
    return;
  }
  delivery.edits += 1;
  if (final) delivery.finals.push({ message, state, text });
  else if (edited.final) delivery.undone += 1;
  edited.final = final;
  answer({});
});

server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit(0));
