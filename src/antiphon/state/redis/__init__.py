"""Session state that gateways share, in Redis."""
