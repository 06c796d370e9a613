"""A payment provider for local mode: a server that speaks the part of Stripe's API that the shop uses.

It takes no money. It has a page to pay on, signed webhooks, and habits that let it misbehave on request.
"""
