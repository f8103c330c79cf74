"""Tables, statistics, charts, findings and the explorer of a whole study."""
