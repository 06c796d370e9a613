"""The beat: sends tasks on schedule from one of several processes, the one that holds a lease in PostgreSQL."""

from celery.utils.dispatch import Signal

# Sent by a beat that has nothing to send because another one does, or because its database does not answer.
standing_by = Signal(name="standing_by")
