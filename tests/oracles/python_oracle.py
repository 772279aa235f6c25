"""Asks stripe-python what it makes of a delivery. One JSON object a line in, one a line out:

    {"op": "verify", "header", "body", "secret", "tolerance", "now"} -> {"accepted", "message"}
    {"op": "sign", "body", "secret", "timestamp"}                    -> {"header"}

`header` and `body` are bytes: each character stands for one (Latin-1), as WSGI hands header values
to a program. Times are in Unix seconds; `now` takes the place of the clock.
"""

import json
import sys
from unittest import mock

import stripe


def verify(request):
    body = request["body"].encode("latin-1")
    try:
        with mock.patch("time.time", return_value=float(request["now"])):
            stripe.Webhook.construct_event(
                body, request["header"], request["secret"], request["tolerance"]
            )
    except Exception as error:  # a crash of the library is a refusal too
        return {"accepted": False, "message": f"{type(error).__name__}: {error}"}
    return {"accepted": True, "message": ""}


def sign(request):
    body = request["body"].encode("latin-1").decode("utf-8")
    header = stripe.WebhookSignature.generate_signature_header(
        body, request["secret"], request["timestamp"]
    )
    return {"header": header}


OPERATIONS = {"verify": verify, "sign": sign}

for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(OPERATIONS[request["op"]](request)))
