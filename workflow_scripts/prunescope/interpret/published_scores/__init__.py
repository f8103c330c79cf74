"""The scores of units that von Rad & Seuffert published, as they are in their repository."""
