// Lists: what can be filtered, and what a row shows.

const ACCOUNT_STATUSES = ['onboarding', 'pending', 'restricted', 'restricted_soon', 'enabled', 'complete', 'rejected', 'deauthorized'];
const MONEY_STATUSES = {
  topups: ['pending', 'succeeded', 'failed', 'canceled', 'reversed'],
  transfers: ['created', 'partially_reversed', 'reversed'],
  payouts: ['pending', 'in_transit', 'paid', 'failed', 'canceled'],
};
const OUTCOMES = ['applied', 'stale', 'unchanged', 'ignored', 'parked'];
const STATES = ['requested', 'waiting_for_funds', 'sent', 'succeeded', 'refused', 'unknown'];

const idCell = (kind, item, more) => h('a', { href: to(kind, item.id, more), class: 'id' }, item.id);
const any = (options) => [['', 'any'], ...options.map((word) => [word, words(word)])];

const LISTS = {
  accounts: {
    title: 'Accounts',
    filters: [['status', 'Status', ACCOUNT_STATUSES], ['payable', 'Payable', ['true', 'false']], ['country', 'Country']],
    columns: ['Account', 'Status', 'Payable', 'Country', 'Next', 'Newest report'],
    row: (item) => [idCell('accounts', item), badge(item.status), yesNo(item.payable), item.country || '–',
      words(item.next_action), moment(item.as_of.created)],
  },
  topups: {
    title: 'Top-ups',
    filters: [['status', 'Status', MONEY_STATUSES.topups], ['currency', 'Currency']],
    columns: ['Top-up', 'Status', 'Amount', 'Created', 'Newest report'],
    row: (item) => [idCell('topups', item), badge(item.status), money(item.amount, item.currency),
      moment(item.created), moment(item.as_of.created)],
  },
  transfers: {
    title: 'Transfers',
    filters: [['status', 'Status', MONEY_STATUSES.transfers], ['destination', 'To account'], ['transfer_group', 'Group']],
    columns: ['Transfer', 'Status', 'Amount', 'To', 'Created'],
    row: (item) => [idCell('transfers', item), badge(item.status), money(item.amount, item.currency),
      item.destination ? h('a', { href: to('accounts', item.destination), class: 'id' }, item.destination) : '–', moment(item.created)],
  },
  payouts: {
    title: 'Payouts',
    filters: [['status', 'Status', MONEY_STATUSES.payouts], ['account', 'Account']],
    columns: ['Payout', 'Status', 'Amount', 'Of', 'Arrives'],
    row: (item) => [idCell('payouts', item, { account: item.account }), [badge(item.status), item.failed_after_paid && [' ', h('span', { class: 'badge bad' }, 'after paid')]],
      money(item.amount, item.currency),
      item.account ? h('a', { href: to('accounts', item.account), class: 'id' }, item.account) : 'the platform', moment(item.arrival_date)],
  },
  operations: {
    title: 'Operations',
    about: 'What was asked of Stripe, and how far it has come.',
    filters: [['state', 'State', STATES], ['object', 'Object']],
    columns: ['Operation', 'What', 'State', 'Amount', 'By', 'Asked'],
    row: (item) => [idCell('operations', item), words(item.action), badge(item.state),
      item.terms ? money(item.terms.amount, item.terms.currency) : '–', item.requested_by, moment(item.requested_at)],
  },
  events: {
    title: 'Events',
    filters: [['outcome', 'Outcome', OUTCOMES], ['type', 'Type'], ['object', 'Object'], ['account', 'Account']],
    columns: ['Event', 'Type', 'Outcome', 'About', 'Source', 'Received'],
    row: (item) => [idCell('events', item), item.type,
      [badge(item.outcome), item.flags.map((flag) => [' ', h('span', { class: 'badge ask' }, words(flag))])],
      item.object ? h('span', { class: 'id' }, item.object) : '–', item.source, moment(item.received_at)],
  },
};

function table(columns, rows, empty) {
  if (!rows.length) return h('p', { class: 'empty' }, empty || 'Nothing here.');
  return h('div', { class: 'scroll' }, h('table', {},
    h('thead', {}, h('tr', {}, columns.map((column) => h('th', { scope: 'col' }, column)))),
    h('tbody', {}, rows.map((cells) => h('tr', {}, cells.map((cell, index) => h('td', { 'data-label': columns[index] }, cell)))))));
}

function filterBar(kind, filters, parameters) {
  const fields = filters.map(([name, label, options]) => (options
    ? choice(name, label, any(options), parameters[name] || '')
    : input(name, label, { value: parameters[name] || '', size: '14' })));
  const form = h('form', { class: 'filters', role: 'search', 'aria-label': 'Filter' }, fields,
    h('button', {}, 'Filter'),
    Object.keys(parameters).length > 0 && h('a', { href: to(kind) }, 'Clear'));
  const go = () => {
    const wanted = Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()).map(([name, value]) => [name, value.trim()]));
    location.hash = to(kind, null, wanted);
  };
  form.addEventListener('submit', (event) => { event.preventDefault(); go(); });
  form.addEventListener('change', (event) => { if (event.target.tagName === 'SELECT') go(); });
  return form;
}

function pager(kind, parameters, list) {
  const { cursor, ...others } = parameters;
  return h('nav', { class: 'pager', 'aria-label': 'Pages' },
    cursor && h('a', { href: to(kind, null, others) }, '← Newest'),
    list.next_cursor && h('a', { href: to(kind, null, { ...others, cursor: list.next_cursor }) }, 'Older →'));
}

async function listView(kind, parameters) {
  const { title, about, filters, columns, row } = LISTS[kind];
  const list = await get(`/v1/${kind}`, { limit: 50, ...parameters, livemode: mode.live });
  return h('section', {}, h('h1', {}, title), about && h('p', { class: 'soft' }, about),
    kind === 'events' && !parameters.cursor && (await parkedView(parameters)),
    filterBar(kind, filters, parameters),
    table(columns, list.data.map(row), 'Nothing here fits.'), pager(kind, parameters, list));
}

// Events that could not be used come first: they wait for somebody.
async function parkedView(parameters) {
  if (parameters.outcome && parameters.outcome !== 'parked') return null;
  const parked = await get('/v1/events', { outcome: 'parked', limit: 20, livemode: mode.live });
  if (!parked.data.length) return null;
  return h('section', { class: 'card attention' },
    h('div', { class: 'row' }, h('h2', {}, 'Parked'),
      h('button', { onclick: redriveAll }, 'Redrive all')),
    h('p', {}, 'Stored, but not usable by this version. Each can be tried again, after an upgrade for instance.'),
    table(['Event', 'Type', 'Why', 'Received', ''], parked.data.map((item) => [idCell('events', item), item.type,
      h('span', { class: 'why' }, prose(item.reason)), moment(item.received_at),
      h('button', { onclick: () => redrive(item.id), 'aria-label': `Redrive ${item.id}` }, 'Redrive')])),
    parked.next_cursor && h('p', {}, h('a', { href: to('events', null, { outcome: 'parked' }) }, 'All parked events')));
}
