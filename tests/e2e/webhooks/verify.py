"""Verifies webhooks with the official Python library of Standard Webhooks, unmodified.

Reads lines of {secret, headers, body} and answers each with a line: the event's type, or "refused".
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    asked = json.loads(line)
    try:
        event = Webhook(asked["secret"]).verify(asked["body"], asked["headers"])
        print(event["type"], flush=True)
    except WebhookVerificationError:
        print("refused", flush=True)
