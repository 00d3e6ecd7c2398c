/* The server counts days in UTC unless the address names a zone. Runs before the first paint and names this browser's. */
{
  const url = new URL(location.href), zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !url.searchParams.has("zone")) {
    url.searchParams.set("zone", zone);
    location.replace(url);
  }
}
