"""What people drew on images: VIA and COCO files, vector layers → shapes → masks."""
