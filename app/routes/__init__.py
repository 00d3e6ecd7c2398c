"""The pages, one file a noun: parse, authorise, call a service, render. api/ is their JSON twin under /api/v1."""
