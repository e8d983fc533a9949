"""What a network sees, as vectors: of patches, buildings, images; reduced, clustered, shown."""
