"""How long, with which optimizer and at which learning rate a network is trained."""
