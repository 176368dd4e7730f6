// Refreshes the counts every two seconds. Text from the server is only ever set as textContent.
'use strict';

const every = 2000;
let before = null;

function row(cells) {
  const tr = document.createElement('tr');
  for (const [text, kind] of cells) {
    const td = document.createElement('td');
    td.textContent = text;
    if (kind) td.className = kind;
    tr.append(td);
  }
  return tr;
}

function fill(id, rows) {
  document.querySelector(`#${id} tbody`).replaceChildren(...rows);
}

function bytes(n) {
  for (const unit of ['B', 'KiB', 'MiB']) {
    if (n < 1024) return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
  return `${n.toFixed(1)} GiB`;
}

function duration(s) {
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return h ? `${h} h ${m} min` : m ? `${m} min ${Math.floor(s % 60)} s` : `${Math.floor(s)} s`;
}

function rate(c, seconds) {
  const old = before && before.counts.get(key(c));
  return old === undefined || old === null || seconds <= 0 ? '' : Math.round((c.in - old) / seconds).toLocaleString();
}

const key = (c) => `${c.name} ${c.pipeline || ''} ${c.signal}`;

function show(s) {
  document.getElementById('uptime').textContent = duration(s.uptime_seconds);
  const gap = document.getElementById('unaccounted');
  gap.textContent = s.unaccounted_items.toLocaleString();
  gap.className = s.unaccounted_items ? 'bad' : 'good';
  const trouble = document.getElementById('notready');
  trouble.textContent = s.not_ready ? `Nothing is stored: ${s.not_ready}` : '';
  trouble.hidden = !s.not_ready;
  const seconds = before ? s.uptime_seconds - before.at : 0;
  fill('components', s.components.map((c) => row([
    [c.name + (c.pipeline ? ` in ${c.pipeline}` : '')], [c.signal], [rate(c, seconds), 'n'],
    [c.in.toLocaleString(), 'n'], [c.out.toLocaleString(), 'n'],
    [c.refused.toLocaleString(), 'n'], [c.dropped.toLocaleString(), c.dropped ? 'n bad' : 'n'], [c.held.toLocaleString(), 'n'],
  ])));
  fill('stores', s.stores.map((t) => row([
    [t.signal], [bytes(t.bytes)], [t.oldest ? new Date(t.oldest).toLocaleString() : 'nothing yet'],
  ])));
  before = { at: s.uptime_seconds, counts: new Map(s.components.map((c) => [key(c), c.in])) };
}

async function refresh() {
  try {
    const res = await fetch('/status.json');
    show(await res.json());
  } catch (e) {
    document.getElementById('uptime').textContent = 'not answering';
  }
  setTimeout(refresh, every);
}

refresh();
