"""Results that strangers can trust: bundled, merged, verified, frozen."""
