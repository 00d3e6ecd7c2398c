"""What can be done with each noun: functions that take a Session, flush, never commit, and know no HTTP."""
