// Elements. Whatever comes from outside becomes a text node or an attribute, never markup.

const PROPERTIES = new Set(['value', 'checked', 'disabled', 'selected', 'required', 'open']);

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'href' && !/^[#/]/.test(value)) throw new Error('links lead inside only');
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

const byId = (id) => document.getElementById(id);

// Says something for a moment, also to those who listen.
let saidTimer = 0;
function say(text, tone) {
  const said = byId('said');
  said.className = `said ${tone || ''}`;
  said.textContent = text;
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { said.textContent = ''; }, 7000);
}

// A question that is answered before anything else goes on. `send` does it; what it throws is shown.
function ask({ title, about, fields, button, danger, send }) {
  const trouble = h('p', { class: 'trouble', role: 'alert' });
  const submit = h('button', { class: danger ? 'danger' : 'first', type: 'submit' }, button);
  const form = h('form', { method: 'dialog' },
    h('h2', { id: 'dialog-title' }, title), about && h('p', {}, about), fields, trouble,
    h('div', { class: 'buttons' },
      h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'), submit));
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: () => dialog.remove() }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    submit.disabled = true;
    trouble.textContent = '';
    try {
      await send(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      trouble.textContent = error.message;
    }
    submit.disabled = false;
  });
  document.body.append(dialog);
  dialog.showModal();
}

function input(name, label, attributes, hint) {
  return h('label', { class: 'field' }, h('span', {}, label),
    h('input', { name, autocomplete: 'off', spellcheck: 'false', ...attributes }),
    hint && h('small', {}, hint));
}

function choice(name, label, options, value, attributes) {
  return h('label', { class: 'field' }, h('span', {}, label),
    h('select', { name, ...attributes }, options.map(([word, shown]) =>
      h('option', { value: word, selected: word === value }, shown || word))));
}
