"""Waiting room: tickets, a draw, and a number that is served."""
