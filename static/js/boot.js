/* Runs before the first paint: says that scripts work, and applies what this person chose for reading. */
{
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const chosen = JSON.parse(localStorage.getItem("tutelage.display") || "{}");
    for (const [name, value] of Object.entries(chosen)) if (/^(theme|face|size)$/.test(name)) root.dataset[name] = String(value);
  } catch { /* Storage may be refused; the defaults are fine. */ }
}
