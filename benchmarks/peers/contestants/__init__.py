"""One module a contestant: `load(job)` imports and builds, the callable it returns works."""
