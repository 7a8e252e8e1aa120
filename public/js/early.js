// Before the first paint: the language and the colours that were chosen, so that nothing flickers.
{
  const kept = (name) => {
    try {
      return localStorage.getItem(`eq.${name}`);
    } catch {
      return null;
    }
  };
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search).get("lang");
  const spoken = navigator.language.startsWith("th") ? "th" : "en";
  root.lang = ["en", "th"].find((known) => known === (asked ?? kept("language"))) ?? spoken;
  const theme = kept("theme");
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
}
