"""The lengths of columns that several tables share, in characters."""

EVENT_ID_LENGTH = 255
TYPE_LENGTH = 100
PROVIDER_LENGTH = 32
REFUND_ID_LENGTH = 255
DISPUTE_ID_LENGTH = 255
REASON_LENGTH = 64
NOTE_LENGTH = 500
