"""What a network sees, as vectors: of patches, buildings, whole images; reduced, clustered, shown."""
