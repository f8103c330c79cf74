"""What a network computes, as a graph of operations, and its forms: files, PyTorch, ONNX."""
