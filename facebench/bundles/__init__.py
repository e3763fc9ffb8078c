"""Results that others can trust, merge and publish."""
