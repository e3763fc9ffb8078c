"""What comes from outside: adapters by entry point, models by name, the user's own code."""
