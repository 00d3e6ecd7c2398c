"""The learning wing: pure torch and transformers on job folders; see docs/training.md."""
