"""The commands of `tutelage` that work with people and data. app/cli.py adds them to the command line."""
