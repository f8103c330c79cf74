"""Charts of the units that go, and of what that does to means."""
