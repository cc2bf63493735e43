"""Monitor: the audit trail of an account. Twilio only."""
