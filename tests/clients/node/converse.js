// One session of socket.io-client, of whatever generation: arguments and surroundings are those of bo2_session.py.
'use strict';

const MOST_SECONDS = 30;

// Logs in, lets `talk` have its conversation, prints what it returns, and leaves. `events` are those it listens to.
exports.converse = (io, events, talk) => {
  const endpoint = JSON.parse(process.argv[2]);
  const login = JSON.parse(endpoint.credential.slice('42'.length));
  const { protocol, host } = new URL(endpoint.url);
  const socket = io(`${protocol}//${host}`, { transports: ['websocket'], reconnection: false });
  const heard = Object.fromEntries(events.map((name) => [name, []]));
  const types = new Set();
  let look = () => {};

  const fail = (problem) => {
    console.error(`${events[0]}: ${problem}; heard: ${JSON.stringify(heard).slice(0, 1000)}`);
    process.exit(1);
  };
  const deadline = setTimeout(fail, MOST_SECONDS * 1000, `not done after ${MOST_SECONDS} s`);
  const until = (happened) => new Promise((resolve) => {
    look = () => happened() && resolve();
    look();
  });
  for (const name of events) {
    socket.on(name, (payload) => {
      types.add(Buffer.isBuffer(payload) ? 'bytes' : typeof payload);
      heard[name].push(payload === undefined ? null : JSON.parse(payload));
      look();
    });
  }
  socket.on('connect_error', fail);
  socket.on('disconnect', fail);
  socket.on('connect', async () => {
    const report = await talk({ socket, login, heard, until });
    clearTimeout(deadline);
    socket.off('disconnect');
    socket.disconnect();
    console.log(JSON.stringify({ types: [...types].sort(), ...report }));
  });
};
