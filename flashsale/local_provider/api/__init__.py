"""Stripe's objects and endpoints as far as the shop uses them.

Source: https://docs.stripe.com/api.
"""
