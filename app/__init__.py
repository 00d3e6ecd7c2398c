"""The web application: people, projects, labels, rounds. Never imports torch."""
