"""Connections to servers that several adapters share."""
