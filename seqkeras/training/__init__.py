"""What models share in training: losses, metrics, the reported loss, first biases, checks of batches."""
