"""Pure decisions: standard library only, no clock, no database. Services ask, rules answer."""
