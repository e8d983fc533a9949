"""The U-Net family as torch modules, their registry, and the receptive-field probe."""
