"""The images of a dataset: sources, decoding, packing and sampling."""
