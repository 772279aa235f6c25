// Asks stripe-node what it makes of a delivery. One JSON object a line in, one a line out:
//
//   {"op": "verify", "header", "body", "secret", "tolerance", "now"} -> {"accepted", "message"}
//   {"op": "sign", "body", "secret", "timestamp"}                    -> {"header"}
//
// `header` and `body` are bytes: each character stands for one (Latin-1), as Node.js hands
// header values to a program. Times are in Unix seconds; `now` takes the place of the clock.

import { createInterface } from "node:readline";
import Stripe from "stripe";

function verify({ header, body, secret, tolerance, now }) {
  const raw = Buffer.from(body, "latin1");
  try {
    Stripe.webhooks.constructEvent(raw, header, secret, tolerance, undefined, now * 1000);
    return { accepted: true, message: "" };
  } catch (error) {
    return { accepted: false, message: error.message };
  }
}

function sign({ body, secret, timestamp }) {
  const payload = Buffer.from(body, "latin1").toString("utf8");
  return { header: Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }) };
}

const operations = { verify, sign };

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const request = JSON.parse(line);
  process.stdout.write(JSON.stringify(operations[request.op](request)) + "\n");
}
