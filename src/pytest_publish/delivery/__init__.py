"""The way of published objects to an endpoint: outbox, relay, HTTP."""
