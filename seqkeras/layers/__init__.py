"""What encoders and decoders are made of: attention, Transformer blocks, embeddings, pooling, masks."""
