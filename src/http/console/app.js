// The frame around the views: signing in, the way from one to the other, and what is new.

const MENU = [['', 'Overview'], ['accounts', 'Accounts'], ['payouts', 'Payouts'], ['transfers', 'Transfers'], ['topups', 'Top-ups'], ['operations', 'Operations'], ['events', 'Events']];
const mode = { live: true, get word() { return this.live ? 'live' : 'test'; } };
const news = [];
let following = null;
let turn = 0;

// Where something is shown, in the partition that is looked at.
function to(kind, id, parameters) {
  const path = [mode.word, kind, id].filter(Boolean).map(encodeURIComponent).join('/');
  return `#/${pathTo(path, parameters)}`;
}

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [partition, kind, id] = path.split('/').map(decodeURIComponent);
  return { partition, kind: kind || '', id, parameters: Object.fromEntries(new URLSearchParams(query || '')) };
}

function viewOf({ kind, id, parameters }) {
  if (kind === '') return overviewView();
  if (kind === 'audit') return auditView(parameters);
  if (kind === 'events' && id) return eventView(id);
  if (kind === 'operations' && id) return operationView(id);
  if (LISTS[kind]) return id ? objectView(kind, id, parameters) : listView(kind, parameters);
  throw new Error('There is nothing here.');
}

// Shows what the address names. Quietly: what is shown stays until its successor is there.
async function show(quietly) {
  const here = place();
  const mine = ++turn;
  if (here.partition !== mode.word) {
    mode.live = here.partition === 'live';
    news.length = 0;
    frame();
    listen();
  }
  for (const link of document.querySelectorAll('#menu a')) {
    if (link.dataset.kind === here.kind) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const content = byId('content');
  if (!quietly) content.setAttribute('aria-busy', 'true');
  let view;
  try {
    view = await viewOf(here);
  } catch (error) {
    if (error.status === 401) return;
    view = h('section', {}, h('h1', {}, error.status === 404 ? 'Not here' : 'That did not work'), h('p', { class: 'lead' }, error.message),
      h('button', { onclick: () => refresh() }, 'Try again'));
  }
  if (mine !== turn || !token_is_there()) return;
  content.removeAttribute('aria-busy');
  content.replaceChildren(view);
  if (!quietly) {
    const title = content.querySelector('h1');
    document.title = title ? `${title.textContent} · bursar` : 'bursar';
    window.scrollTo(0, 0);
    if (title && document.activeElement === document.body) { title.tabIndex = -1; title.focus({ preventScroll: true }); }
  }
}

const refresh = () => show(true);

// Somebody who types, or has opened something, is not disturbed.
function isBusy() {
  const focused = document.activeElement;
  return Boolean(document.querySelector('dialog[open], #content details[open], #content pre'))
    || (focused && byId('content').contains(focused) && /^(INPUT|SELECT|TEXTAREA)$/.test(focused.tagName));
}

function newsList() {
  if (!news.length) return null;
  return card('Just now', h('ul', { class: 'lines news' }, news.map((change) => h('li', {},
    moment(change.recorded_at), ' ', h('a', { href: to(KINDS[change.kind], change.id, change.kind === 'payout' ? { account: change.account } : {}), class: 'id' }, change.id), ' ',
    change.status_before && change.status_before !== change.status_after && [badge(change.status_before), ' → '], badge(change.status_after)))));
}

let refreshTimer = 0;
function listen() {
  if (following) following.abort();
  following = new AbortController();
  follow(mode.live, following.signal, (change) => {
    news.unshift(change);
    news.length = Math.min(news.length, 8);
    clearTimeout(refreshTimer);
    refreshTimer = setTimeout(() => { if (!isBusy()) refresh(); }, 300);
  }, (is) => {
    const light = byId('light');
    if (light) { light.className = is ? 'light on' : 'light'; light.textContent = is ? 'following' : 'reconnecting'; }
  });
}

function frame() {
  const other = (live) => h('a', { href: `#/${live ? 'live' : 'test'}`, 'aria-current': mode.live === live ? 'true' : null, class: live ? 'live' : 'test' }, live ? 'Live' : 'Test');
  document.body.dataset.mode = mode.word;
  const menu = h('ul', { id: 'menu' }, MENU.map(([kind, title]) => h('li', {}, h('a', { href: to(kind), 'data-kind': kind }, title))));
  can('get', '/v1/audit').then((is) => is && menu.append(h('li', {}, h('a', { href: to('audit'), 'data-kind': 'audit' }, 'Audit')))).catch(() => {});
  byId('app').replaceChildren(
    h('p', { class: 'strip' }, mode.live ? 'Live mode: real money' : 'Test mode: no real money'),
    h('div', { class: 'frame' },
      h('header', {}, h('p', { class: 'brand' }, h('a', { href: to('') }, 'bursar')),
        h('nav', { class: 'modes', 'aria-label': 'Partition' }, other(false), other(true)),
        h('nav', { 'aria-label': 'Sections' }, menu), findForm(),
        h('p', { class: 'foot' }, h('span', { id: 'light', class: 'light' }, 'connecting'), h('a', { href: '/docs' }, 'API'), h('button', { class: 'quiet', onclick: () => leave('') }, 'Sign out'))),
      h('main', { id: 'content', tabindex: '-1' })));
}

// An id says by itself what it is of.
function findForm() {
  const form = h('form', { class: 'find', role: 'search', 'aria-label': 'Find by id' }, h('input', { name: 'id', placeholder: 'Find an id…', 'aria-label': 'Find an id', autocomplete: 'off', spellcheck: 'false' }));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const id = form.elements.id.value.trim();
    const kind = { acct: 'accounts', tu: 'topups', tr: 'transfers', po: 'payouts', op: 'operations' }[id.split('_')[0]] || 'events';
    if (id) location.hash = to(kind, id);
    form.reset();
  });
  return form;
}

const token_is_there = () => token() !== null;

function leave(why) {
  sessionStorage.removeItem(TOKEN);
  if (following) following.abort();
  turn += 1;
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
  gate(why);
}

// Who comes in.
function gate(why) {
  delete document.body.dataset.mode;
  document.title = 'Sign in · bursar';
  const trouble = h('p', { class: 'trouble', role: 'alert' }, why);
  const button = h('button', { class: 'first' }, 'Sign in');
  const field = h('input', { id: 'token', name: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false' });
  const form = h('form', { class: 'gate' }, h('h1', {}, 'bursar'), h('p', { class: 'soft' }, 'What became of every account, top-up, transfer and payout.'),
    h('label', { class: 'field', for: 'token' }, h('span', {}, 'Token')), field, h('p', { class: 'hint' }, 'One of BURSAR_TOKENS. It stays in this tab, and goes with it.'), trouble, button);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    trouble.textContent = '';
    sessionStorage.setItem(TOKEN, field.value.trim());
    try {
      await enter();
    } catch (error) {
      sessionStorage.removeItem(TOKEN);
      if (error.status !== 401) trouble.textContent = error.message;
    }
    button.disabled = false;
  });
  byId('app').replaceChildren(h('main', { id: 'content' }, form));
  field.focus();
}

async function enter() {
  const summary = await get('/v1/summary', {});
  const here = place();
  mode.live = here.partition ? here.partition === 'live' : summary.livemode;
  frame();
  listen();
  if (!['live', 'test'].includes(here.partition)) history.replaceState(null, '', to(''));
  await show();
}

window.addEventListener('hashchange', () => { if (token_is_there()) show(); });
if (token_is_there()) enter().catch((error) => { if (error.status !== 401) gate(error.message); });
else gate('');
