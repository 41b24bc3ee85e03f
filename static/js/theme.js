// Runs before the first paint, so that a chosen theme does not flash: "light", "dark", or what the system prefers.
{
  const chosen = localStorage.getItem("tertulia.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
