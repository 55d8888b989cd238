"""A cell over all time steps: `recurrence` is the layer, the other files are the loops it can run."""
