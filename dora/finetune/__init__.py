"""Fine-tuning for classification: a backbone and a linear classifier trained together."""
