// Applied before the first paint. A strict CSP allows no inline script, so this is a file.
try {
  var theme = localStorage.getItem('wayside.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be closed to us; the system's theme is used then.
}
