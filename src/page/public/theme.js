// Before the first paint: the theme chosen with the toggle, if one was.
try {
  const theme = localStorage.getItem('mumu.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's theme is used.
}
