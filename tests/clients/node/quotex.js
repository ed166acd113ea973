// What socket.io-client 2 reads from a simulated Quotex: Engine.IO 3, whose binary messages it strips of their type.
'use strict';
const io = require('socket.io-client-2');
const { converse } = require('./converse');

const OTC = 'EURUSD_otc';
const INDEX = 179520000000;
const EVENTS = [
  's_authorization', 's_balance/list', 'instruments/list', 'history/list/v2', 'quotes/stream', 'depth/change', 'history/load',
];

converse(io, EVENTS, async ({ socket, login, heard, until }) => {
  const ponged = new Promise((resolve) => { socket.once('pong', resolve); });
  socket.io.engine.ping(); // by itself it would be 25 seconds from now
  socket.emit(...login);
  await until(() => heard['s_balance/list'].length && heard['instruments/list'].length);
  socket.emit('tick');
  socket.emit('instruments/update', { asset: OTC, period: 60 });
  socket.emit('chart_notification/get', { asset: OTC, version: '1.0.0' });
  socket.emit('depth/follow', OTC);
  await until(() => heard['history/list/v2'].length && heard['depth/change'].length && heard['quotes/stream'].length >= 3);
  const newest = heard['quotes/stream'].slice(-1)[0][0][1];
  socket.emit('history/load', { asset: OTC, index: INDEX, time: Math.floor(newest), offset: 3600, period: 60 });
  await until(() => heard['history/load'].length);
  const recent = heard['history/list/v2'][0];
  return {
    pong_seconds: (await ponged) / 1000,
    admitted: heard.s_authorization,
    balances: heard['s_balance/list'],
    instruments: heard['instruments/list'][0],
    recent: { ...recent, history: recent.history.slice(-3) },
    ticks: heard['quotes/stream'].flat(),
    depth: heard['depth/change'].flat(),
    page: heard['history/load'],
  };
});
