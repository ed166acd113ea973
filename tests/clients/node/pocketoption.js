// What socket.io-client 4 reads from a simulated PocketOption. The report is the one of socketio_session.py.
'use strict';
const { io } = require('socket.io-client-4');
const { converse } = require('./converse');

const OTC = 'EURUSD_otc';
const INDEX = 173369878255;
const EVENTS = [
  'successauth', 'successupdateBalance', 'updateOpenedDeals', 'updateClosedDeals', 'updateAssets', 'updateCharts',
  'updateHistoryNewFast', 'updateStream', 'loadHistoryPeriodFast',
];

converse(io, EVENTS, async ({ socket, login, heard, until }) => {
  socket.emit(...login);
  await until(() => heard.updateAssets.length && heard.updateCharts.length);
  socket.emit('changeSymbol', { asset: OTC, period: 60 });
  await until(() => heard.updateHistoryNewFast.length && heard.updateStream.length >= 3);
  const newest = heard.updateStream.slice(-1)[0][0][1];
  socket.emit('loadHistoryPeriod', { asset: OTC, index: INDEX, time: Math.floor(newest), offset: 3600, period: 60 });
  await until(() => heard.loadHistoryPeriodFast.length);
  const recent = heard.updateHistoryNewFast[0];
  return {
    admitted: heard.successauth,
    balances: heard.successupdateBalance,
    assets: heard.updateAssets[0].map((row) => row[1]),
    recent: { ...recent, history: recent.history.slice(-3) },
    ticks: heard.updateStream.flat(),
    page: heard.loadHistoryPeriodFast,
  };
});
