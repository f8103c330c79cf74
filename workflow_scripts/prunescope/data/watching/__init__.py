"""Whether the images of a folder are still those that were listed."""
