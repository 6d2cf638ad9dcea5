// Before anything is painted: the person's choice of light or dark, where one was made.
"use strict";
{
  const root = document.documentElement;
  const kept = () => {
    try {
      return localStorage.getItem("vedette-theme");
    } catch {
      return null; // storage is turned off
    }
  };
  const chosen = kept();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  window.vedetteTheme = () => {
    const dark = matchMedia("(prefers-color-scheme:dark)").matches;
    const next = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    try {
      localStorage.setItem("vedette-theme", next);
    } catch {
      // it holds for this page alone
    }
    dispatchEvent(new Event("vedette-theme"));
  };
}
