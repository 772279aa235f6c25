// How things are written for people.

const TONES = {
  good: ['complete', 'enabled', 'paid', 'succeeded', 'applied', 'first', 'advance'],
  ask: ['restricted_soon', 'onboarding', 'parked', 'waiting_for_funds', 'partially_reversed', 'unknown'],
  bad: ['restricted', 'rejected', 'deauthorized', 'failed', 'refused', 'conflict'],
  wait: ['pending', 'in_transit', 'requested', 'sent', 'stale', 'running', 'waiting', 'created'],
};

function tone(word) {
  const found = Object.entries(TONES).find(([, words]) => words.includes(word));
  return found ? found[0] : 'plain';
}

const words = (word) => String(word).replace(/_/g, ' ');

function badge(word) {
  if (word === null || word === undefined) return h('span', { class: 'soft' }, '–');
  return h('span', { class: `badge ${tone(word)}` }, words(word));
}

function yesNo(value, yes, no) {
  if (value === null || value === undefined) return h('span', { class: 'soft' }, 'not known');
  return h('span', { class: `badge ${value ? 'good' : 'bad'}` }, value ? yes || 'yes' : no || 'no');
}

// Minor units, as many as the currency has.
function money(amount, currency) {
  if (amount === null || amount === undefined) return '–';
  if (!/^[a-z]{3}$/i.test(currency || '')) return `${amount}`;
  try {
    const format = new Intl.NumberFormat('en', { style: 'currency', currency, currencyDisplay: 'code' });
    const digits = format.resolvedOptions().maximumFractionDigits;
    return format.format(amount / 10 ** digits).replace(/\u00a0/g, ' ');
  } catch {
    return `${amount} ${currency}`;
  }
}

const LONG = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const AGO = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const STEPS = [[60, 'second', 1], [3600, 'minute', 60], [86400, 'hour', 3600], [30 * 86400, 'day', 86400]];

// RFC 3339, or Unix seconds.
function moment(value) {
  if (value === null || value === undefined) return h('span', { class: 'soft' }, '–');
  const date = new Date(typeof value === 'number' ? value * 1000 : value);
  if (Number.isNaN(date.getTime())) return h('span', {}, value);
  const seconds = (date.getTime() - Date.now()) / 1000;
  const step = STEPS.find(([most]) => Math.abs(seconds) < most);
  const shown = step ? AGO.format(Math.round(seconds / step[2]), step[1]) : LONG.format(date);
  return h('time', { datetime: date.toISOString(), title: `${LONG.format(date)} (${date.toISOString()})` }, shown);
}

// Sentences in which what stands between backticks is code.
function prose(text) {
  return String(text || '').split('`').map((part, index) => (index % 2 ? h('code', {}, part) : part));
}

function json(value) {
  return h('pre', { tabindex: '0' }, JSON.stringify(value, null, 2));
}

// A value of any kind, as short as it may be.
function shown(value) {
  if (value === null || value === undefined) return h('span', { class: 'soft' }, '–');
  if (typeof value === 'object') {
    const text = JSON.stringify(value);
    return text.length < 60 ? h('code', {}, text) : h('details', {}, h('summary', {}, 'show'), json(value));
  }
  return String(value);
}

function count(number) {
  return new Intl.NumberFormat('en').format(number);
}
