"""Transactional outbox: what happened, for the shop's back end.

An event is stored in the transaction of its change, numbered after the commit, and read as a feed.
"""
