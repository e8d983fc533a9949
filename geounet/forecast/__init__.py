"""What a run will need, and all that speaks against it, told before it starts."""
