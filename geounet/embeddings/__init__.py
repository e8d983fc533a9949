"""What a network sees, as vectors: reduced, clustered, shown."""
