// Goes through the guide with stripe-node, against the server at the URL that is the argument:
// every call that a platform makes to onboard accounts, add funds and pay out. Webhooks are
// received and verified with the library. Prints one JSON object that says what came of it.

import { createServer } from "node:http";
import { once } from "node:events";
import Stripe from "stripe";

const url = new URL(process.argv[2]);
const stripe = new Stripe("sk_test_node", {
  protocol: url.protocol.replace(":", ""),
  host: url.hostname,
  port: url.port,
  maxNetworkRetries: 2,
});

const secrets = {};
const heard = [];
const hook = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const scope = request.url.slice(1);
  try {
    const signature = request.headers["stripe-signature"];
    const body = Buffer.concat(parts);
    heard.push({ scope, event: stripe.webhooks.constructEvent(body, signature, secrets[scope]) });
    response.writeHead(200).end();
  } catch (error) {
    heard.push({ scope, error: error.message });
    response.writeHead(400).end();
  }
});
hook.listen(0, "127.0.0.1");
await once(hook, "listening");

const lever = async (path, order) => {
  const body = JSON.stringify(order);
  const answer = await fetch(new URL(`/_sandbox/${path}`, url), { method: "POST", body });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.json();
};
const advance = (seconds) => lever("clock", { advance_seconds: seconds });
const days = (count) => count * 86400;
const refusal = async (promise) => {
  try {
    await promise;
    return "none";
  } catch (error) {
    return `${error.type} ${error.code ?? "-"} ${error.param ?? "-"}`;
  }
};
const until = async (condition) => {
  const deadline = Date.now() + 30000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

for (const scope of ["platform", "connect"]) {
  const endpoint = await stripe.webhookEndpoints.create({
    url: `http://127.0.0.1:${hook.address().port}/${scope}`,
    enabled_events: ["*"],
    connect: scope === "connect",
  });
  secrets[scope] = endpoint.secret;
}
const endpoints = await stripe.webhookEndpoints.list();

// Create an account, prefill it, send its holder through the onboarding.
const account = await stripe.accounts.create({
  controller: {
    losses: { payments: "application" },
    fees: { payer: "application" },
    stripe_dashboard: { type: "express" },
  },
  business_type: "individual",
  metadata: { reference: "user_1" },
});
const person = await stripe.accounts.createPerson(account.id, {
  first_name: "Jane",
  last_name: "Diaz",
  relationship: { representative: true },
});
await stripe.accounts.updatePerson(account.id, person.id, { email: "jane@example.com" });
const persons = await stripe.accounts.listPersons(account.id, { relationship: { representative: true } });
const link = await stripe.accountLinks.create({
  account: account.id,
  refresh_url: "http://localhost/refresh",
  return_url: "http://localhost/return",
  type: "account_onboarding",
});
const page = await (await fetch(link.url)).text();
const visit = /name="visit" value="([^"]+)"/.exec(page)[1];
const sent = await fetch(link.url, {
  method: "POST",
  redirect: "manual",
  body: new URLSearchParams({ visit, choice: "test" }),
});
await advance(60);
const onboarded = await stripe.accounts.retrieve(account.id);
const capability = await stripe.accounts.retrieveCapability(account.id, "transfers");
const prefillAfterLink = await refusal(
  stripe.accounts.createPerson(account.id, { first_name: "Late" }),
);

// Add funds; cancel some; see one refused by the bank.
const topup = await stripe.topups.create(
  { amount: 2000, currency: "usd", description: "Top-up for week", statement_descriptor: "Weekly top-up" },
  { idempotencyKey: "node-topup" },
);
const again = await stripe.topups.create(
  { amount: 2000, currency: "usd", description: "Top-up for week", statement_descriptor: "Weekly top-up" },
  { idempotencyKey: "node-topup" },
);
const mismatch = await refusal(
  stripe.topups.create({ amount: 1, currency: "usd" }, { idempotencyKey: "node-topup" }),
);
const canceled = await stripe.topups.cancel(
  (await stripe.topups.create({ amount: 700, currency: "usd" })).id,
);
const failing = await stripe.topups.create({
  amount: 900,
  currency: "usd",
  source: "btok_us_verified_insufficientFunds",
});
const tooEarly = await refusal(
  stripe.transfers.create({ amount: 1000, currency: "usd", destination: account.id }),
);
await advance(days(6));
const failed = await stripe.topups.retrieve(failing.id);
const succeeded = await stripe.topups.update(topup.id, { metadata: { week: "1" } });
const pending = await stripe.topups.list({ status: "pending" });

// Pay out; an answer that is lost is fetched again by the library, with the same key.
await lever("faults", { fault: "drop", when: "after", path: "/v1/transfers" });
const transfer = await stripe.transfers.create({
  amount: 1000,
  currency: "usd",
  destination: account.id,
  transfer_group: "week_1",
});
const transfers = await stripe.transfers.list({ destination: account.id });
await stripe.transfers.update(transfer.id, { metadata: { a: "b" } });
const reversal = await stripe.transfers.createReversal(transfer.id, { amount: 200 });
const reversals = await stripe.transfers.listReversals(transfer.id);
const balance = await stripe.balance.retrieve();
const onAccount = { stripeAccount: account.id };
const held = await stripe.balance.retrieve({}, onAccount);
const payout = await stripe.payouts.create({ amount: 300, currency: "usd" }, onAccount);
const unknownParameter = await refusal(stripe.payouts.create({ amount: 1, currency: "usd", why: "x" }, onAccount));
await advance(days(4));
const paid = await stripe.payouts.retrieve(payout.id, {}, onAccount);
const payouts = await stripe.payouts.list({}, onAccount);
const transactions = await stripe.balanceTransactions.list({ type: "payout" }, onAccount);

// Look at what happened.
const events = [];
for await (const event of stripe.events.list({ limit: 2 })) events.push(event.type);
const chronological = [];
for await (const event of stripe.events.list({ limit: 2, ending_before: (await stripe.events.list({ types: ["topup.created"], limit: 100 })).data.at(-1).id })) chronological.push(event.type);
const first = (await stripe.events.list({ type: "topup.*", limit: 1 })).data[0];
const sameEvent = await stripe.events.retrieve(first.id);
await until(() => heard.filter(({ event }) => event?.type === "payout.paid").length === 2);
await stripe.webhookEndpoints.update(endpoints.data[0].id, { disabled: true });
const gone = await stripe.webhookEndpoints.del(endpoints.data[1].id);
const notFound = await refusal(stripe.transfers.retrieve("tr_none"));
const noAccess = await refusal(stripe.balance.retrieve({}, { stripeAccount: "acct_none" }));
const unauthenticated = await refusal(
  new Stripe("sk_live_wrong", { protocol: "http", host: url.hostname, port: url.port }).balance.retrieve(),
);
const rejected = await stripe.accounts.reject(account.id, { reason: "fraud" });
const accounts = await stripe.accounts.list();

hook.close();
const misheard = heard.filter(({ error }) => error !== undefined);
const wrongScope = heard.filter(({ scope, event }) => (scope === "connect") !== (event?.account === account.id));
console.log(JSON.stringify({
  endpoints: endpoints.data.length,
  persons: persons.data.map(({ email }) => email),
  expires_in: link.expires_at - link.created,
  returned_to: sent.headers.get("location"),
  status: [onboarded.details_submitted, onboarded.payouts_enabled, onboarded.capabilities.transfers],
  capability: capability.status,
  prefill_after_link: prefillAfterLink,
  replayed: again.id === topup.id,
  mismatch,
  topups: [topup.status, canceled.status, failed.status, failed.failure_code, succeeded.status, pending.data.length],
  too_early: tooEarly,
  transfers: transfers.data.map(({ id, amount }) => [id === transfer.id, amount]),
  reversal: [reversal.amount, reversals.data.length],
  balances: [balance.available[0].amount, held.available[0].amount],
  unknown_parameter: unknownParameter,
  payouts: [payout.status, paid.status, payouts.data.map(({ amount, automatic }) => [amount, automatic])],
  transactions: transactions.data.map(({ net }) => net),
  events,
  chronological,
  same_event: sameEvent.id === first.id,
  misheard,
  wrong_scope: wrongScope.length,
  heard: heard.length > 20,
  gone: gone.deleted,
  not_found: notFound,
  no_access: noAccess,
  unauthenticated,
  rejected: rejected.requirements.disabled_reason,
  accounts: accounts.data.length,
}));
