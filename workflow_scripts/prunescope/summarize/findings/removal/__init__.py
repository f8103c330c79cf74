"""What is found of the units that go, and of those that are left."""
