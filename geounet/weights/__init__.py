"""The bundled models, one `.safetensors` file each."""
