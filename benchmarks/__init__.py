"""Measurements that the documentation quotes; each runs with one command."""
