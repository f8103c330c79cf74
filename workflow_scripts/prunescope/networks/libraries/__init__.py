"""The libraries of networks that are installed: torchvision and timm."""
