"""What a network sees, as vectors: of patches of ground, of buildings, of whole images."""
