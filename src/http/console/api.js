// What is asked of bursar. The token is kept for this tab alone, and sent in a header only.

const TOKEN = 'bursar-token';

class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const token = () => sessionStorage.getItem(TOKEN);

function headers(more) {
  const bearer = token();
  return bearer ? { Authorization: `Bearer ${bearer}`, ...more } : { ...more };
}

function pathTo(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters || {})) {
    if (value !== undefined && value !== null && value !== '') query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function call(path, parameters, options) {
  let answer;
  try {
    answer = await fetch(pathTo(path, parameters), { cache: 'no-store', redirect: 'error', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, 'unreachable', 'bursar does not answer. Is it running, and can this page reach it?');
  }
  if (answer.ok) return answer;
  let told = {};
  try { told = await answer.json(); } catch { /* No problem document: the status says it. */ }
  if (answer.status === 401) leave('This token is not, or no longer, known to bursar. Sign in with one of BURSAR_TOKENS.');
  throw new Problem(answer.status, told.code, told.detail || `bursar answered ${answer.status}.`);
}

async function get(path, parameters) {
  return (await call(path, parameters, { headers: headers() })).json();
}

async function post(path, parameters, body) {
  const options = { method: 'POST', headers: headers({ 'Content-Type': 'application/json' }), body: JSON.stringify(body || {}) };
  return (await call(path, parameters, options)).json();
}

// What this bursar can do, by its own description.
let described = null;
async function operationAt(verb, path) {
  described = described || (await (await call('/openapi.json')).json());
  return (described.paths[path] || {})[verb];
}

const can = async (verb, path) => Boolean(await operationAt(verb, path));

async function takes(verb, path, name) {
  const operation = await operationAt(verb, path);
  return Boolean(operation) && operation.parameters.some((parameter) => parameter.name === name);
}

// The entries of the change feed from now on, until `signal` ends it.
async function follow(livemode, signal, tell, stand) {
  let last = null;
  let pause = 500;
  while (!signal.aborted) {
    try {
      const more = last === null ? {} : { 'Last-Event-ID': last };
      const answer = await call('/v1/changes/stream', { livemode }, { headers: headers(more), signal });
      stand(true);
      pause = 500;
      const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await lines.read();
        if (done) break;
        const blocks = (rest + value).split('\n\n');
        rest = blocks.pop();
        for (const block of blocks) {
          const id = /^id: (\d+)$/m.exec(block);
          const data = /^data: (.*)$/m.exec(block);
          if (id && data) { last = id[1]; tell(JSON.parse(data[1])); }
        }
      }
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
      if (error.status === 410) last = null;
    }
    stand(false);
    await new Promise((resolve) => { setTimeout(resolve, pause); });
    pause = Math.min(pause * 2, 15000);
  }
}
