"""Async-first SDK for the SIM APIs of Twilio and KORE."""
