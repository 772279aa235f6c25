// What operators do. Each is asked for again before it is done, with a reason.

const reasonField = () => input('reason', 'Reason', { required: true, maxlength: '500', autofocus: true }, 'Kept with who did it, and when.');

function redrive(id) {
  ask({
    title: 'Redrive this event?', about: h('code', {}, id), fields: reasonField(), button: 'Redrive',
    send: async ({ reason }) => {
      const receipt = await post(`/v1/events/${encodeURIComponent(id)}/redrive`, { livemode: mode.live }, { reason });
      say(`${id} is now ${receipt.outcome}.`, tone(receipt.outcome));
      refresh();
    },
  });
}

function redriveAll() {
  ask({
    title: 'Redrive all parked events?', about: `Those of ${mode.word} mode, oldest first.`, fields: reasonField(), button: 'Redrive all',
    send: async ({ reason }) => {
      const { results } = await post('/v1/redrives', { livemode: mode.live }, { reason });
      const left = results.filter((result) => result.outcome === 'parked').length;
      say(`${results.length} tried, ${left} still parked.`, left ? 'ask' : 'good');
      refresh();
    },
  });
}

function readBody(path, show) {
  ask({
    title: 'Show the body?', about: 'It may hold personal details: who looked, and why, is recorded.', fields: reasonField(), button: 'Show',
    send: async ({ reason }) => {
      const known = await takes('get', '/v1/events/{id}/body', 'reason');
      const answer = await call(`${path}/body`, { livemode: mode.live, reason: known ? reason : null }, { headers: headers() });
      show(await answer.text());
    },
  });
}

function refetch(kind, id, account) {
  ask({
    title: 'Fetch it from Stripe?', about: 'What Stripe says now is taken in as an event of its own.', fields: reasonField(), button: 'Fetch',
    send: async ({ reason }) => {
      const path = id ? `/v1/${kind}/${encodeURIComponent(id)}/refetch` : `/v1/${kind}/refetch`;
      const receipt = await post(path, { account, livemode: mode.live }, { reason });
      say(`Fetched: ${receipt.outcome}.`, tone(receipt.outcome));
      refresh();
    },
  });
}

function resolve(operation) {
  const outcomes = operation.state === 'waiting_for_funds' ? [['refused', 'refused: it is not to be done']]
    : [['refused', 'refused: it was not done'], ['succeeded', 'succeeded: it was done']];
  ask({
    title: 'Decide on this operation?',
    about: `Look in Stripe's Dashboard for ${operation.id} in the metadata first.`,
    fields: [choice('outcome', 'Outcome', outcomes), reasonField(),
      outcomes.length > 1 && input('object_id', 'What it made', { placeholder: 'tr_…' }, 'With succeeded, if you know it.')],
    button: 'Decide',
    send: async ({ outcome, reason, object_id: object }) => {
      const body = object ? { outcome, reason, object_id: object } : { outcome, reason };
      const decided = await post(`/v1/operations/${encodeURIComponent(operation.id)}/resolve`, { livemode: mode.live }, body);
      say(`${decided.id} is now ${words(decided.state)}.`, tone(decided.state));
      refresh();
    },
  });
}

function erase(id) {
  ask({
    title: 'Erase what is personal?', danger: true, button: 'Erase for good',
    about: ['The bodies of all events about ', h('code', {}, id), ' lose their personal details. Ids, statuses and history stay. This cannot be undone.'],
    fields: [input('typed', `Type ${id} to go on`, { required: true, autofocus: true }), input('reason', 'Reason', { required: true, maxlength: '500' })],
    send: async ({ typed, reason }) => {
      if (typed.trim() !== id) throw new Error(`That is not ${id}.`);
      await post(`/v1/accounts/${encodeURIComponent(id)}/erase`, { livemode: mode.live }, { reason });
      say(`${id} was erased.`, 'good');
      refresh();
    },
  });
}
