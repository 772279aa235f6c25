// One thing at a time: the overview, an object, an event, an operation.

const KINDS = { account: 'accounts', topup: 'topups', transfer: 'transfers', payout: 'payouts' };
const card = (title, ...content) => h('section', { class: 'card' }, title && h('h2', {}, title), content);

function facts(rows) {
  return h('dl', { class: 'facts' }, rows.filter(Boolean).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

// Counts as a bar and a legend, each a way to the list behind it.
function counts(title, kind, field, numbers) {
  const all = Object.entries(numbers);
  const total = all.reduce((sum, [, number]) => sum + number, 0);
  return h('section', { class: 'card counts' },
    h('h2', {}, h('a', { href: to(kind) }, title), ' ', h('span', { class: 'soft' }, count(total))),
    h('div', { class: 'bar', 'aria-hidden': 'true' }, all.filter(([, number]) => number).map(([word, number]) => {
      const part = h('i', { class: tone(word) });
      part.style.flexGrow = number;
      return part;
    })),
    h('ul', {}, all.map(([word, number]) => h('li', { class: number ? '' : 'none' },
      h('a', { href: to(kind, null, { [field]: word }) }, h('span', {}, h('i', { class: `dot ${tone(word)}` }), words(word)), h('b', {}, count(number)))))));
}

function attention(summary) {
  const open = [];
  const { parked } = summary.events;
  if (parked) {
    open.push([h('a', { href: to('events', null, { outcome: 'parked' }) }, parked === 1 ? '1 parked event' : `${count(parked)} parked events`),
      ' could not be used; the oldest came ', moment(summary.oldest_parked), '.']);
  }
  const { unknown } = summary.operations;
  if (unknown) {
    open.push([h('a', { href: to('operations', null, { state: 'unknown' }) }, unknown === 1 ? '1 operation' : `${count(unknown)} operations`),
      ' with an unknown outcome.']);
  }
  if (summary.conflicts) open.push([`${count(summary.conflicts)} reports that no legal move explains (see the histories).`]);
  for (const { message, since } of summary.warnings) open.push([prose(message), ' ', h('span', { class: 'soft' }, 'Since ', moment(since), '.')]);
  for (const { detail } of summary.sweep_risks) open.push([prose(detail)]);
  if (!open.length) return h('p', { class: 'calm' }, 'Nothing needs your attention.');
  return h('section', { class: 'card attention' }, h('h2', {}, 'Needs attention'), h('ul', { class: 'lines' }, open.map((line) => h('li', {}, line))));
}

async function overviewView() {
  const [summary, changes] = await Promise.all([get('/v1/summary', { livemode: mode.live }),
    get('/v1/operations', { livemode: mode.live, state: 'waiting_for_funds', limit: 5 })]);
  const sources = Object.entries(summary.sources);
  const secrets = summary.secrets.map((secret) => [secret.name, h('code', {}, secret.fingerprint), secret.last_used ? moment(secret.last_used) : 'never']);
  return h('section', {}, h('h1', {}, 'Overview'), attention(summary),
    h('div', { class: 'grid' },
      counts('Accounts', 'accounts', 'status', summary.accounts), counts('Payouts', 'payouts', 'status', summary.payouts),
      counts('Transfers', 'transfers', 'status', summary.transfers), counts('Top-ups', 'topups', 'status', summary.topups),
      counts('Operations', 'operations', 'state', summary.operations), counts('Events', 'events', 'outcome', summary.events)),
    h('div', { class: 'grid wide' },
      card('Sources', sources.length ? table(['Source', 'Last heard'], sources.map(([name, heard]) => [name, moment(heard)]))
        : h('p', { class: 'empty' }, 'Nothing was received yet.')),
      card('Webhook secrets', table(['Secret', 'Fingerprint', 'Last used'], secrets)),
      card('Balance of the platform', await balanceOf()),
      changes.data.length > 0 && card('Waiting for funds', table(['Operation', 'Amount', 'Since'], changes.data.map((item) => [
        idCell('operations', item), item.terms ? money(item.terms.amount, item.terms.currency) : '–', moment(item.requested_at)])))),
    h('div', { id: 'news' }, newsList()));
}

async function balanceOf(account) {
  try {
    const balance = await get('/v1/balance', { account, livemode: mode.live });
    const part = (amounts) => (Array.isArray(amounts) && amounts.length
      ? amounts.map((it) => h('div', {}, money(it.amount, it.currency))) : '–');
    return [facts([['Available', part(balance.available)], ['Pending', part(balance.pending)], ['As of', moment(balance.as_of.created)]])];
  } catch (error) {
    if (error.status === 404) return h('p', { class: 'empty' }, 'Not known yet.');
    throw error;
  }
}

const HIDDEN = ['id', 'livemode', 'status', 'explanation', 'as_of', 'version', 'ambiguous', 'blockers', 'payable', 'next_action', 'deadline', 'requirements', 'capabilities', 'controller', 'amount', 'amount_reversed', 'currency'];
const MOMENTS = ['created', 'arrival_date', 'expected_availability_date'];
const LINKS = { destination: /^acct_/, account: /^acct_/ };

function plainFact([name, value]) {
  if (MOMENTS.includes(name)) return [words(name), moment(value)];
  if (typeof value === 'boolean') return [words(name), value ? 'yes' : 'no'];
  if (LINKS[name] && LINKS[name].test(value || '')) return [words(name), h('a', { href: to('accounts', value), class: 'id' }, value)];
  return [words(name), shown(value)];
}

function aboutAccount(item) {
  const { requirements, capabilities, controller } = item;
  return [
    item.blockers && item.blockers.length > 0 && card('Stripe asks for',
      h('ul', { class: 'asked' }, item.blockers.map((blocker) => h('li', {}, h('code', {}, blocker)))),
      item.deadline && h('p', {}, 'By ', moment(item.deadline), '.')),
    card('Capabilities', capabilities ? facts(Object.entries(capabilities).map(([name, state]) => [words(name), shown(state)])) : h('p', { class: 'empty' }, 'Not known.')),
    card('Requirements', requirements ? h('details', {}, h('summary', {}, 'As Stripe gave them'), json(requirements)) : h('p', { class: 'empty' }, 'Not known.'),
      controller && h('details', {}, h('summary', {}, 'Controller'), json(controller))),
  ];
}

async function related(kind, item) {
  if (kind !== 'accounts') return null;
  const [transfers, payouts] = await Promise.all([
    get('/v1/transfers', { destination: item.id, limit: 5, livemode: mode.live }), get('/v1/payouts', { account: item.id, limit: 5, livemode: mode.live })]);
  const few = (list, of, filter) => [list.data.length
    ? table([words(of).slice(0, -1), 'Status', 'Amount'], list.data.map((it) => [idCell(of, it, of === 'payouts' ? { account: it.account } : {}), badge(it.status), money(it.amount, it.currency)]))
    : h('p', { class: 'empty' }, 'None.'), list.next_cursor && h('a', { href: to(of, null, filter) }, 'All')];
  return [card('Transfers to it', few(transfers, 'transfers', { destination: item.id })),
    card('Payouts of it', few(payouts, 'payouts', { account: item.id })), card('Its balance', await balanceOf(item.id))];
}

async function objectView(kind, id, parameters) {
  const { account } = parameters;
  const path = `/v1/${kind}/${encodeURIComponent(id)}`;
  const item = await get(path, { account, livemode: mode.live });
  const [beside, history, canErase] = await Promise.all([related(kind, item), historyView(path, account), kind === 'accounts' && can('post', '/v1/accounts/{id}/erase')]);
  const amount = item.amount === undefined ? null : h('p', { class: 'amount' }, money(item.amount, item.currency),
    item.amount_reversed > 0 && h('small', {}, ` of which ${money(item.amount_reversed, item.currency)} came back`));
  return h('section', {},
    h('p', { class: 'crumb' }, h('a', { href: to(kind) }, LISTS[kind].title)),
    h('div', { class: 'row head' }, h('h1', { class: 'id' }, id),
      h('div', { class: 'buttons' }, h('a', { class: 'button', href: to('events', null, { object: id }) }, 'Its events'),
        h('button', { onclick: () => refetch(kind, id, account) }, 'Fetch from Stripe'),
        canErase && h('button', { class: 'danger', onclick: () => erase(id) }, 'Erase…'))),
    h('p', { class: 'state' }, badge(item.status), item.payable !== undefined && [' ', yesNo(item.payable, 'payable', 'not payable')],
      item.failed_after_paid && [' ', h('span', { class: 'badge bad' }, 'failed after paid')],
      item.ambiguous && [' ', h('span', { class: 'badge ask' }, 'ambiguous')]),
    amount, item.explanation && h('p', { class: 'lead' }, prose(item.explanation)),
    item.next_action && item.next_action !== 'none' && h('p', {}, 'Next: ', h('b', {}, words(item.next_action)), '.'),
    h('div', { class: 'grid wide' },
      card('Facts', facts([...Object.entries(item).filter(([name]) => !HIDDEN.includes(name)).map(plainFact),
        ['rests on', h('a', { href: to('events', item.as_of.event_id), class: 'id' }, item.as_of.event_id)], ['as of', moment(item.as_of.created)], ['version', item.version]])),
      kind === 'accounts' && aboutAccount(item), beside),
    card('History', history));
}

async function historyView(path, account) {
  const list = h('ol', { class: 'timeline' });
  const more = h('button', {}, 'Show more');
  let cursor = null;
  const next = async () => {
    const page = await get(`${path}/history`, { account, livemode: mode.live, limit: 50, cursor });
    list.append(...page.data.map(entryView));
    cursor = page.next_cursor;
    more.hidden = !cursor;
  };
  more.addEventListener('click', () => next().catch((error) => say(error.message, 'bad')));
  await next();
  return [list, more];
}

function entryView(entry) {
  const moved = entry.status_before !== entry.status_after;
  const changes = Object.entries(entry.changes).filter(([name]) => name !== 'status');
  return h('li', { class: entry.step },
    h('p', {}, moved ? [entry.status_before && [badge(entry.status_before), ' → '], badge(entry.status_after)] : h('span', { class: 'soft' }, changes.length ? 'same status' : 'nothing new'),
      ' ', h('span', { class: 'what' }, entry.type), ' ', h('span', { class: 'soft' }, moment(entry.created)),
      entry.arrived_late && [' ', h('span', { class: 'badge ask' }, 'came late')], entry.step === 'conflict' && [' ', badge('conflict')],
      entry.ambiguous && [' ', h('span', { class: 'badge ask' }, 'ambiguous')]),
    changesView(entry, changes),
    h('p', { class: 'soft small' }, h('a', { href: to('events', entry.event_id), class: 'id' }, entry.event_id), ` by ${entry.source}, received `, moment(entry.received_at)));
}

// Of a first report everything is new: it is there for those who ask.
function changesView(entry, changes) {
  if (!changes.length) return null;
  const list = h('ul', { class: 'changes' }, changes.map(([name, [was, is]]) => h('li', {}, h('span', { class: 'soft' }, words(name)), ' ',
    entry.step !== 'first' && [shown(was), ' → '], shown(is))));
  return entry.step === 'first' ? h('details', {}, h('summary', {}, 'What it said'), list) : list;
}

async function eventView(id) {
  const path = `/v1/events/${encodeURIComponent(id)}`;
  const item = await get(path, { livemode: mode.live });
  const body = h('div', {});
  const show = () => readBody(path, (text) => {
    let pretty = text;
    try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* Shown as it is. */ }
    body.replaceChildren(h('pre', { tabindex: '0' }, pretty));
  });
  return h('section', {}, h('p', { class: 'crumb' }, h('a', { href: to('events') }, 'Events')),
    h('div', { class: 'row head' }, h('h1', { class: 'id' }, id), item.outcome === 'parked' && h('button', { class: 'first', onclick: () => redrive(id) }, 'Redrive')),
    h('p', { class: 'state' }, badge(item.outcome), ' ', h('span', { class: 'what' }, item.type), item.flags.map((flag) => [' ', h('span', { class: 'badge ask' }, words(flag))])),
    h('p', { class: 'lead' }, prose(item.explanation)),
    card('Facts', facts([['About', objectLink(item)], ['Account', item.account ? h('a', { href: to('accounts', item.account), class: 'id' }, item.account) : 'the platform'],
      ['Created', moment(item.created)], ['Received', moment(item.received_at)], ['Source', item.source], ['API version', item.api_version || '–']])),
    card('Body', h('p', { class: 'soft' }, 'As Stripe sent it. It may hold personal details: each look is recorded.'), h('button', { onclick: show }, 'Show the body…'), body));
}

function objectLink(event) {
  return linked(event.object, event.account);
}

// An id, and the way to it where its beginning says of what it is.
function linked(id, account) {
  const kind = { acct: 'accounts', tu: 'topups', tr: 'transfers', po: 'payouts' }[(id || '').split('_')[0]];
  if (!kind) return id ? h('span', { class: 'id' }, id) : '–';
  return h('a', { href: to(kind, id, kind === 'payouts' ? { account } : {}), class: 'id' }, id);
}

async function operationView(id) {
  const item = await get(`/v1/operations/${encodeURIComponent(id)}`, { livemode: mode.live });
  const decidable = ['unknown', 'waiting_for_funds'].includes(item.state);
  const reasons = (list) => h('ul', { class: 'lines' }, list.map((reason) => h('li', {}, h('code', {}, reason.code), ' ', prose(reason.detail))));
  return h('section', {}, h('p', { class: 'crumb' }, h('a', { href: to('operations') }, 'Operations')),
    h('div', { class: 'row head' }, h('h1', { class: 'id' }, id), decidable && h('button', { class: 'first', onclick: () => resolve(item) }, 'Decide…')),
    h('p', { class: 'state' }, badge(item.state), ' ', h('span', { class: 'what' }, words(item.action))), h('p', { class: 'lead' }, prose(item.explanation)),
    h('div', { class: 'grid wide' },
      card('Facts', facts([item.object_id && ['Made', linked(item.object_id)],
        item.subject && ['Done to', linked(item.subject)], ['Asked by', item.requested_by], ['Asked', moment(item.requested_at)], ['Changed', moment(item.updated_at)],
        ['Sent', moment(item.sent_at)], ['Attempt', item.attempt], ['Key of the caller', h('code', {}, item.idempotency_key)], ["Stripe's request", item.request_id || '–'],
        item.settled && ['Known by', [words(item.settled.by), item.settled.name && ` (${item.settled.name}: ${item.settled.reason})`,
          item.settled.event_id && [' ', h('a', { href: to('events', item.settled.event_id), class: 'id' }, item.settled.event_id)]]]])),
      item.terms && card('Transfer', facts([['Amount', money(item.terms.amount, item.terms.currency)], ['To', h('a', { href: to('accounts', item.terms.destination), class: 'id' }, item.terms.destination)],
        ['Group', item.terms.transfer_group || '–'], ['Waits for funds', item.terms.wait_for_funds ? 'yes' : 'no'], item.terms.topup && ['Waits for', h('a', { href: to('topups', item.terms.topup), class: 'id' }, item.terms.topup)]])),
      item.error && card('What Stripe said', facts(Object.entries(item.error).map(([name, value]) => [words(name), shown(value)]))),
      item.reasons.length > 0 && card('Why bursar refused', reasons(item.reasons)), item.warnings.length > 0 && card('Warnings', reasons(item.warnings)),
      item.object && card('What Stripe answered', json(item.object))));
}

async function auditView(parameters) {
  const list = await get('/v1/audit', { limit: 50, ...parameters, livemode: mode.live });
  const more = ({ details, results, made, code }) => Object.fromEntries(Object.entries({ ...details, ...results, made, code }).filter(([, value]) => value !== null));
  const row = (item) => [moment(item.at), [item.actor, h('small', {}, ` ${item.role}`)], [words(item.action), item.outcome !== 'done' && [' ', badge(item.outcome)]],
    [item.objects.slice(0, 3).map((id) => h('div', { class: 'id' }, id)), item.count > 3 && h('small', {}, `${count(item.count)} in all`)], item.reason || '–',
    Object.keys(more(item)).length > 0 ? shown(more(item)) : ''];
  return h('section', {}, h('h1', {}, 'Audit'), h('p', { class: 'soft' }, 'Who did what, when and why.'),
    table(['When', 'Who', 'What', 'To', 'Why', 'More'], list.data.map(row), 'Nothing was done yet.'), pager('audit', parameters, list));
}
