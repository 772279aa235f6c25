"""Goes through the guide with stripe-python, against the server at the URL that is the argument:
every call that a platform makes to onboard accounts, add funds and pay out. Webhooks are received
and verified with the library. Prints one JSON object that says what came of it."""

import json
import re
import sys
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe

URL = sys.argv[1]
DAY = 86400
client = stripe.StripeClient("sk_test_python", base_addresses={"api": URL}, max_network_retries=2)
secrets = {}
heard = []


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        scope = self.path[1:]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = client.construct_event(body, self.headers["Stripe-Signature"], secrets[scope])
            heard.append((scope, event.type, getattr(event, "account", None)))
            self.send_response(200)
        except Exception as error:
            heard.append((scope, f"error: {error}", None))
            self.send_response(400)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)


def send(url, body=None):
    try:
        return opener.open(urllib.request.Request(url, body))
    except urllib.error.HTTPError as answer:
        return answer


def lever(path, order):
    answer = send(f"{URL}/_sandbox/{path}", json.dumps(order).encode())
    assert answer.status == 200, answer.read()


def advance(seconds):
    lever("clock", {"advance_seconds": seconds})


def refusal(call):
    try:
        call()
        return "none"
    except stripe.StripeError as error:
        code, param = error.code or "-", getattr(error, "param", None) or "-"
        return f"{type(error).__name__} {code} {param}"


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
threading.Thread(target=hook.serve_forever, daemon=True).start()
v1 = client.v1
for scope in ["platform", "connect"]:
    endpoint = v1.webhook_endpoints.create({
        "url": f"http://127.0.0.1:{hook.server_port}/{scope}",
        "enabled_events": ["*"],
        "connect": scope == "connect",
    })
    secrets[scope] = endpoint.secret
endpoints = v1.webhook_endpoints.list()

account = v1.accounts.create({
    "controller": {
        "losses": {"payments": "application"},
        "fees": {"payer": "application"},
        "stripe_dashboard": {"type": "express"},
    },
    "business_type": "individual",
    "metadata": {"reference": "user_1"},
})
person = v1.accounts.persons.create(account.id, {
    "first_name": "Jane",
    "last_name": "Diaz",
    "relationship": {"representative": True},
})
v1.accounts.persons.update(account.id, person.id, {"email": "jane@example.com"})
persons = v1.accounts.persons.list(account.id, {"relationship": {"representative": True}})
link = v1.account_links.create({
    "account": account.id,
    "refresh_url": "http://localhost/refresh",
    "return_url": "http://localhost/return",
    "type": "account_onboarding",
})
page = send(link.url).read().decode()
visit = re.search('name="visit" value="([^"]+)"', page).group(1)
sent = send(link.url, urllib.parse.urlencode({"visit": visit, "choice": "test"}).encode())
advance(60)
onboarded = v1.accounts.retrieve(account.id)
capability = v1.accounts.capabilities.retrieve(account.id, "transfers")
prefill_after_link = refusal(lambda: v1.accounts.persons.create(account.id, {"first_name": "Late"}))

weekly = {
    "amount": 2000,
    "currency": "usd",
    "description": "Top-up for week",
    "statement_descriptor": "Weekly top-up",
}
keyed = {"idempotency_key": "python-topup"}
topup = v1.topups.create(weekly, keyed)
again = v1.topups.create(weekly, keyed)
mismatch = refusal(lambda: v1.topups.create({"amount": 1, "currency": "usd"}, keyed))
canceled = v1.topups.cancel(v1.topups.create({"amount": 700, "currency": "usd"}).id)
failing = v1.topups.create({
    "amount": 900,
    "currency": "usd",
    "source": "btok_us_verified_insufficientFunds",
})
payment = {"amount": 1000, "currency": "usd", "destination": account.id, "transfer_group": "week_1"}
too_early = refusal(lambda: v1.transfers.create(payment))
advance(6 * DAY)
failed = v1.topups.retrieve(failing.id)
succeeded = v1.topups.update(topup.id, {"metadata": {"week": "1"}})
pending = v1.topups.list({"status": "pending"})

lever("faults", {"fault": "drop", "when": "after", "path": "/v1/transfers"})
transfer = v1.transfers.create(payment)
transfers = v1.transfers.list({"destination": account.id})
v1.transfers.update(transfer.id, {"metadata": {"a": "b"}})
reversal = v1.transfers.reversals.create(transfer.id, {"amount": 200})
reversals = v1.transfers.reversals.list(transfer.id)
balance = v1.balance.retrieve()
on_account = {"stripe_account": account.id}
held = v1.balance.retrieve({}, on_account)
payout = v1.payouts.create({"amount": 300, "currency": "usd"}, on_account)
unknown_parameter = refusal(
    lambda: v1.payouts.create({"amount": 1, "currency": "usd", "why": "x"}, on_account)
)
advance(4 * DAY)
paid = v1.payouts.retrieve(payout.id, {}, on_account)
payouts = v1.payouts.list({}, on_account)
transactions = v1.balance_transactions.list({"type": "payout"}, on_account)

events = [event.type for event in v1.events.list({"limit": 2}).auto_paging_iter()]
oldest = v1.events.list({"types": ["topup.created"], "limit": 100}).data[-1].id
chronological = v1.events.list({"limit": 2, "ending_before": oldest}).auto_paging_iter()
chronological = [event.type for event in chronological]
first = v1.events.list({"type": "topup.*", "limit": 1}).data[0]
same_event = v1.events.retrieve(first.id)
until(lambda: len([kind for _, kind, _ in heard if kind == "payout.paid"]) == 2)
v1.webhook_endpoints.update(endpoints.data[0].id, {"disabled": True})
gone = v1.webhook_endpoints.delete(endpoints.data[1].id)
not_found = refusal(lambda: v1.transfers.retrieve("tr_none"))
no_access = refusal(lambda: v1.balance.retrieve({}, {"stripe_account": "acct_none"}))
stranger = stripe.StripeClient("sk_live_wrong", base_addresses={"api": URL})
unauthenticated = refusal(lambda: stranger.v1.balance.retrieve())
rejected = v1.accounts.reject(account.id, {"reason": "fraud"})
accounts = v1.accounts.list()

hook.shutdown()
print(json.dumps({
    "endpoints": len(endpoints.data),
    "persons": [person.email for person in persons.data],
    "expires_in": link.expires_at - link.created,
    "returned_to": sent.headers["Location"],
    "status": [
        onboarded.details_submitted,
        onboarded.payouts_enabled,
        onboarded.capabilities.transfers,
    ],
    "capability": capability.status,
    "prefill_after_link": prefill_after_link,
    "replayed": again.id == topup.id,
    "mismatch": mismatch,
    "topups": [
        topup.status,
        canceled.status,
        failed.status,
        failed.failure_code,
        succeeded.status,
        len(pending.data),
    ],
    "too_early": too_early,
    "transfers": [[each.id == transfer.id, each.amount] for each in transfers.data],
    "reversal": [reversal.amount, len(reversals.data)],
    "balances": [balance.available[0].amount, held.available[0].amount],
    "unknown_parameter": unknown_parameter,
    "payouts": [
        payout.status,
        paid.status,
        [[each.amount, each.automatic] for each in payouts.data],
    ],
    "transactions": [each.net for each in transactions.data],
    "events": events,
    "chronological": chronological,
    "same_event": same_event.id == first.id,
    "misheard": [kind for _, kind, _ in heard if kind.startswith("error")],
    "wrong_scope": len([1 for scope, _, of in heard if (scope == "connect") != (of == account.id)]),
    "heard": len(heard) > 20,
    "gone": gone.deleted,
    "not_found": not_found,
    "no_access": no_access,
    "unauthenticated": unauthenticated,
    "rejected": rejected.requirements.disabled_reason,
    "accounts": len(accounts.data),
}))
